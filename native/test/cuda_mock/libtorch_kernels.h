// Kernels of libtorch that the mock computes.
#pragma once

#include "test/cuda_mock/work.h"

namespace cuda_mock {

/// Gives the work of a kernel of libtorch, whose demangled name it has, its body and its memory. One that is not known
/// computes nothing: a violation, once a name, where the mock computes.
void libtorch_kernel(void** arguments, Work& work);

}  // namespace cuda_mock
