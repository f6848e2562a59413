// Sums and maxima over a warp or a block, in an order that does not depend on anything but the number of threads.
#pragma once

#include "core/host_device.h"

namespace rdrop::RDROP_ISA {

struct Plus {
  template <typename T>
  RDROP_INLINE T operator()(T a, T b) const {
    return a + b;
  }
};

struct Larger {
  template <typename T>
  RDROP_INLINE T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

/// Every lane receives the result over its warp.
template <class Block, typename T, class Combine>
RDROP_INLINE T warp_reduce(Block& block, T value, Combine combine) {
  for (int mask = 16; mask > 0; mask >>= 1) value = combine(value, block.shuffle_xor(value, mask));
  return value;
}

/// Every thread receives the result over its block. scratch: as many T as the block has warps, in shared memory; free
/// again once the call has returned in every thread (there is a barrier at the end).
template <class Block, typename T, class Combine>
RDROP_INLINE T block_reduce(Block& block, T value, Combine combine, T* scratch) {
  value = warp_reduce(block, value, combine);
  const int warps = block.threads() / 32;
  if (block.thread() % 32 == 0) scratch[block.thread() / 32] = value;
  block.barrier();
  T result = scratch[0];
  for (int warp = 1; warp < warps; ++warp) result = combine(result, scratch[warp]);
  block.barrier();
  return result;
}

}  // namespace rdrop::RDROP_ISA
