// The kernels: the arithmetic of every CPU operation, compiled once per instruction set, chosen once at run time.
//
// A kernel is plain arithmetic over raw pointers on a range of rows [begin, end): it allocates nothing, throws nothing,
// starts no thread and includes neither libtorch nor the C++ library (see CMakeLists.txt). An operation <op> has
//   ops/<op>/<op>.h            its one signature, on tensors
//   ops/<op>/<op>.cc           its bodies around the kernels: splits rows over threads, or launches on a device
//   ops/<op>/<op>_kernel.h     the arguments and tables of its kernels, and the arithmetic that they share
//   ops/<op>/<op>_per_isa.cc   the CPU's kernels, compiled with RDROP_ISA = scalar, avx2 and avx512
//   ops/<op>/<op>.cu           the device's kernels
//   ops/<op>/<op>_test.cc      both against each other and against the formulas
// A table K, ActivationKernels<float> for instance, is defined in <op>_per_isa.cc as rdrop::RDROP_ISA::kernels<K>().
#pragma once

namespace rdrop {

enum class InstructionSet { scalar, avx2, avx512 };

/// The one in use: the widest of this machine unless select_kernels chose another.
InstructionSet instruction_set();

/// "avx512", "avx2" or "scalar".
const char* instruction_set_name();

/// Chooses by name. Returns false when this machine cannot run it.
bool select_kernels(const char* name);

namespace scalar {
template <class K>
const K& kernels();
}
namespace avx2 {
template <class K>
const K& kernels();
}
namespace avx512 {
template <class K>
const K& kernels();
}

/// The table K of the instruction set in use.
template <class K>
const K& kernels() {
  switch (instruction_set()) {
    case InstructionSet::avx512:
      return avx512::kernels<K>();
    case InstructionSet::avx2:
      return avx2::kernels<K>();
    default:
      return scalar::kernels<K>();
  }
}

}  // namespace rdrop
