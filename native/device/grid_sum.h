// Sums over the blocks of a grid, in a fixed order and within the launch: whichever block finishes last adds up what
// all have left behind.
#pragma once

#include "device/launch.h"

namespace rdrop::RDROP_ISA {

/// Whether this block is the last of `expected` that come here with this counter; it then sees all that the others
/// wrote before. Every thread of the block calls; word: of shared memory.
template <class Block>
RDROP_INLINE bool last_to_finish(Block& block, uint32_t* counter, int64_t expected, uint32_t* word) {
  block.barrier();
  if (block.thread() == 0) {
    const bool last = block.ticket(counter) + 1 == uint32_t(expected);
    if (last) *counter = 0;
    *word = last ? 1 : 0;
  }
  block.barrier();
  const bool last = *word != 0;
  block.barrier();
  return last;
}

}  // namespace rdrop::RDROP_ISA
