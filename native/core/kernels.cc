// Which instruction set's kernels this machine runs.
#include "core/kernels.h"

#include <atomic>
#include <cstring>

namespace rdrop {
namespace {

constexpr const char* names[] = {"scalar", "avx2", "avx512"};

bool runs(InstructionSet set) {
  switch (set) {
    case InstructionSet::avx512:
      return runs(InstructionSet::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    case InstructionSet::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    default:
      return true;
  }
}

InstructionSet widest() {
  if (runs(InstructionSet::avx512)) return InstructionSet::avx512;
  return runs(InstructionSet::avx2) ? InstructionSet::avx2 : InstructionSet::scalar;
}

std::atomic<InstructionSet>& chosen() {
  static std::atomic<InstructionSet> set{widest()};
  return set;
}

}  // namespace

InstructionSet instruction_set() {
  return chosen().load(std::memory_order_acquire);
}

const char* instruction_set_name() {
  return names[int(instruction_set())];
}

bool select_kernels(const char* name) {
  for (const auto set : {InstructionSet::scalar, InstructionSet::avx2, InstructionSet::avx512}) {
    if (std::strcmp(name, names[int(set)]) != 0 || !runs(set)) continue;
    chosen().store(set, std::memory_order_release);
    return true;
  }
  return false;
}

}  // namespace rdrop
