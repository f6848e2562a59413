// The kernels' table: the arithmetic of every CPU operation, filled once per instruction set, chosen once at run time.
//
// A kernel is plain arithmetic over raw pointers on a range of rows [begin, end): it allocates nothing, throws nothing,
// starts no thread and includes neither libtorch nor the C++ library (see CMakeLists.txt). An operation <op> has
//   ops/<op>.h            its one signature, on tensors
//   ops/<op>_cpu.cc       checks, splits rows over threads, calls through this table
//   ops/<op>_kernel.h     the arguments of the kernel and its entry in the table
//   ops/<op>_kernel.inc   the bodies, included by kernels.cc alone
#pragma once

#include "ops/rdrop_loss_kernel.h"

namespace rdrop {

struct Kernels {
  const char* instruction_set;
  RdropLossKernels rdrop_loss;
};

/// The table in use: the widest instruction set of this machine unless select_kernels chose another.
const Kernels& kernels();

/// Chooses a table by name ("avx512", "avx2", "scalar"). Returns false when this machine cannot run it.
bool select_kernels(const char* name);

}  // namespace rdrop
