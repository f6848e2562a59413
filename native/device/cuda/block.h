// A block of threads on the GPU, and how a kernel is started there.
#pragma once

#include <cuda_runtime.h>

#include <utility>

#include "device/cuda/launch_mode.h"
#include "device/cuda/matrix_unit.h"
#include "device/launch.h"
#include "core/errors.h"
#include "core/host_device.h"

namespace rdrop {

/// Zero between launches: see CudaBlock::counter. Kernels that run at the same time would share them, so none that
/// counts runs beside the stream.
static __device__ uint32_t block_counters[kCounters];

struct CudaBlock : CudaMatrixUnit {
  __device__ int thread() const { return int(threadIdx.x); }
  __device__ int threads() const { return int(blockDim.x); }
  __device__ int64_t index() const { return int64_t(blockIdx.x); }
  __device__ int64_t count() const { return int64_t(gridDim.x); }

  /// Every thread of the block arrives before any continues.
  __device__ void barrier() { __syncthreads(); }

  /// Every lane of the warp arrives before any continues.
  __device__ void warp_barrier() { __syncwarp(); }

  /// The value of the lane whose number differs by the bits of `mask`. Every lane of the warp takes part.
  template <typename T>
  __device__ T shuffle_xor(T value, int mask) {
    return __shfl_xor_sync(0xffffffffu, value, mask);
  }

  /// The block's dynamic shared memory, on a boundary of 16 bytes.
  __device__ char* shared() {
    extern __shared__ __align__(16) char memory[];
    return memory;
  }

  /// Adds 1 and returns the value before, once everything that this thread wrote is visible to all blocks.
  __device__ uint32_t ticket(uint32_t* counter) {
    __threadfence();
    const uint32_t before = atomicAdd(counter, 1u);
    __threadfence();
    return before;
  }

  /// Counter 0 to kCounters - 1 of those that the blocks of a launch share. All are zero when a launch starts; who
  /// counts with one sets it back to zero.
  __device__ uint32_t* counter(int64_t index) { return &block_counters[index]; }
};

/// A kernel may name how many of its blocks a multiprocessor is to hold at once (min_blocks), which bounds its
/// registers.
template <class Kernel>
constexpr int min_blocks_of() {
  if constexpr (requires { Kernel::min_blocks; }) {
    return Kernel::min_blocks;
  } else {
    return 0;
  }
}

/// What every kernel begins with: see LaunchMode.
inline __device__ void wait_for_kernel_before() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  // The kernel after this one may take the room that is left when the last blocks of this one have theirs. It does
  // nothing before its own wait, which ends when this kernel has written everything. Without effect where neither was
  // started as a dependent launch.
  asm volatile("griddepcontrol.launch_dependents;");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// A kernel whose arguments are a table (indexes_arguments) reads them where they are; of any other each thread has
/// them in registers.
template <class Kernel>
constexpr bool indexes_arguments = requires { Kernel::indexes_arguments; };

template <class Kernel>
  requires(!indexes_arguments<Kernel>)
__global__ void __launch_bounds__(Kernel::max_threads, min_blocks_of<Kernel>()) run_kernel(const Kernel kernel) {
  wait_for_kernel_before();
  CudaBlock block;
  kernel(block);
}

template <class Kernel>
  requires(indexes_arguments<Kernel>)
__global__ void __launch_bounds__(Kernel::max_threads, min_blocks_of<Kernel>())
    run_kernel(const __grid_constant__ Kernel kernel) {
  wait_for_kernel_before();
  CudaBlock block;
  kernel(block);
}

/// Throws CUDA_FAILED for a call's status, naming what was being done.
inline void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  fail(ErrorCode::cuda_failed, what, ": ", cudaGetErrorString(status));
}

/// Whether a kernel waits itself for the one before. Code for an older chip, which the driver translates for this one,
/// does not: as a dependent launch it would read what is not written yet.
template <class Kernel>
bool waits_itself() {
  static const bool waits = [] {
    cudaFuncAttributes attributes{};
    check_cuda(cudaFuncGetAttributes(&attributes, run_kernel<Kernel>), "the code of a kernel");
    return attributes.ptxVersion >= 90;
  }();
  return waits;
}

/// Starts a kernel on a stream; nothing happens for no blocks. Throws CUDA_FAILED.
template <class Kernel>
void launch(const Kernel& kernel, const LaunchShape& shape, void* stream) {
  if (shape.blocks == 0) return;
  if (shape.shared_bytes > 48 * 1024) {
    check_cuda(
        cudaFuncSetAttribute(run_kernel<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shape.shared_bytes)),
        "shared memory of a kernel");
  }
  const bool plain = launch_mode.plain_next && std::exchange(*launch_mode.plain_next, false);
  if (launch_mode.dependent && !plain && waits_itself<Kernel>()) {
    cudaLaunchAttribute attribute;
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = unsigned(shape.blocks);
    config.blockDim = unsigned(shape.threads);
    config.dynamicSmemBytes = shape.shared_bytes;
    config.stream = static_cast<cudaStream_t>(stream);
    config.attrs = &attribute;
    config.numAttrs = 1;
    void (*function)(Kernel) = run_kernel<Kernel>;
    check_cuda(cudaLaunchKernelEx(&config, function, kernel), "start of a kernel");
    return;
  }
  run_kernel<Kernel>
      <<<unsigned(shape.blocks), unsigned(shape.threads), shape.shared_bytes, static_cast<cudaStream_t>(stream)>>>(
          kernel);
  check_cuda(cudaGetLastError(), "start of a kernel");
}

}  // namespace rdrop
