// Which table of kernels this machine runs.
#include "core/kernels.h"

#include <atomic>
#include <cstring>

namespace rdrop {

namespace scalar {
extern const Kernels table;
}
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}

namespace {

bool runs_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

bool runs_avx512() {
  return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}

const Kernels* widest() {
  if (runs_avx512()) return &avx512::table;
  if (runs_avx2()) return &avx2::table;
  return &scalar::table;
}

std::atomic<const Kernels*>& chosen() {
  static std::atomic<const Kernels*> table{widest()};
  return table;
}

}  // namespace

const Kernels& kernels() {
  return *chosen().load(std::memory_order_acquire);
}

bool select_kernels(const char* name) {
  const Kernels* table = nullptr;
  if (!std::strcmp(name, "scalar")) table = &scalar::table;
  if (!std::strcmp(name, "avx2") && runs_avx2()) table = &avx2::table;
  if (!std::strcmp(name, "avx512") && runs_avx512()) table = &avx512::table;
  if (table) chosen().store(table, std::memory_order_release);
  return table != nullptr;
}

}  // namespace rdrop
