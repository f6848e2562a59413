// Sums over the blocks of a grid, in a fixed order and within the launch: whichever block finishes last adds up what
// all have left behind. In two levels, so that no block reads more than about 2·√blocks rows while all others have
// ended.
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

/// Blocks are summed by groups of neighbors, then the groups: √blocks of them, rounded up.
RDROP_INLINE int64_t blocks_a_group(int64_t blocks) {
  int64_t size = 1;
  while (size * size < blocks) ++size;
  return size;
}

/// Most blocks that a grid with such a sum may have: their groups and the whole have a counter each.
constexpr int64_t kMostSummedBlocks = 65536;

/// Rows of the scratch memory: one a block, one a group. Never fewer for more blocks.
RDROP_INLINE int64_t grid_sum_rows(int64_t blocks) {
  const int64_t size = blocks_a_group(blocks);
  return blocks + (blocks + size - 1) / size;
}

/// Every block has written its row of partial [grid_sum_rows(blocks), width]. Calls finish(c, total) once for each
/// column c, in the last block.
template <class Block, class Finish>
RDROP_INLINE void sum_over_grid(Block& block, float* partial, int64_t width, uint32_t* word, Finish finish) {
  const int64_t blocks = block.count(), size = blocks_a_group(blocks), groups = (blocks + size - 1) / size;
  const int64_t group = block.index() / size, first = group * size;
  const int64_t members = blocks - first < size ? blocks - first : size;
  if (!last_to_finish(block, block.counter(1 + group), members, word)) return;
  for (int64_t c = block.thread(); c < width; c += block.threads()) {
    float total = 0;
    for (int64_t member = 0; member < members; ++member) total += partial[(first + member) * width + c];
    partial[(blocks + group) * width + c] = total;
  }
  if (!last_to_finish(block, block.counter(0), groups, word)) return;
  for (int64_t c = block.thread(); c < width; c += block.threads()) {
    float total = 0;
    for (int64_t g = 0; g < groups; ++g) total += partial[(blocks + g) * width + c];
    finish(c, total);
  }
}

}  // namespace rdrop::RDROP_ISA
