// One way to start a kernel, two meanings. A kernel is a struct that holds its arguments, says how many threads its
// blocks may have (max_threads) and has one body,
//
//   template <class Block> RDROP_INLINE void operator()(Block& block) const
//
// compiled by nvcc it runs on the GPU (Block: cuda_block.h), compiled by a C++ compiler under the emulated grid
// (emulated_block.h). Grids and blocks have one dimension; blocks are whole warps of 32 threads.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace rdrop {

struct LaunchShape {
  int64_t blocks;
  int threads;              ///< a multiple of 32
  size_t shared_bytes = 0;  ///< dynamic shared memory of a block
};

/// The shared memory that a block may ask for on every chip from sm_80 on (sm_86 and sm_89 have the least).
constexpr size_t kMostSharedBytes = 99 * 1024;

/// Counters that the blocks of a launch share, to find out which of them is the last to finish.
constexpr int64_t kCounters = 1024;

}  // namespace rdrop

#ifdef __CUDACC__
#include "device/cuda/block.h"
#else
#include "device/emulated/block.h"
#endif
