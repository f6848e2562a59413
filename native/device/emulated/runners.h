// The bodies of all kernels under the emulated grid, by the names of their types: what the mock CUDA runtime
// (test/cuda_mock) runs when a kernel of the real librdrop_cuda.so is launched.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rdrop {

struct EmulatedRunner {
  size_t bytes;     ///< of the kernel's struct
  int max_threads;  ///< of its blocks
  void (*run)(const void* kernel, int64_t blocks, int threads, size_t shared_bytes);
};

/// Enters the body of a kernel of a source file, whose type has this mangled name. Two files may have types of one
/// name.
bool add_emulated_runner(const char* source, const char* type_name, const EmulatedRunner& runner);

// What librdrop_emulated.so exports for the mock:

/// rdrop_find_emulated_runner: the body of a kernel, by its source file (without directory and suffix) and the
/// demangled name of its type; null where there is none or where two kernels have that name.
using FindEmulatedRunner = const EmulatedRunner*(const char* source, const char* name);
/// rdrop_run_emulated: runs a grid; false with a message when that fails.
using RunEmulated = bool(const EmulatedRunner* runner, const void* kernel, int64_t blocks, int threads,
                         size_t shared_bytes, char* error, size_t error_bytes);

}  // namespace rdrop
