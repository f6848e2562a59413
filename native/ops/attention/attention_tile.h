// The small matrix products inside a block of attention: 16 rows of its own, four a warp, meet 32 rows of the other
// side, one a lane, in shared memory as float32. Heads wider than 128 columns go through in chunks.
#pragma once

#include "core/dropout_block.h"

namespace rdrop::RDROP_ISA {

constexpr int kAttentionWarps = 4;
constexpr int kWarpRows = 4;                           // rows of a warp
constexpr int kOwnRows = kAttentionWarps * kWarpRows;  // rows of a block
constexpr int kOtherRows = 32;                         // rows of the other side, one a lane
constexpr int kTileColumns = 128;                      // columns of a head at a time, four a lane
/// Floats from row to row: eight lanes that read 16 bytes each, a row each, meet no bank of memory twice.
constexpr int kTilePitch = kTileColumns + 4;
constexpr int kTileWeights = kOwnRows * kOtherRows;

/// Rows of one head of a sequence in shared memory, a chunk of columns at a time, zeros beyond them.
template <typename T>
struct Tile {
  float* memory;  // [capacity, kTilePitch]
  int capacity;
  const T* from;  // the head's columns in the sequence's first row
  int64_t stride;
  int rows, columns;
  bool whole;
  int held_row = -1, held_chunk = -1;

  RDROP_INLINE Tile(float* memory, int capacity, const T* from, int64_t stride, int rows, int columns)
      : memory(memory),
        capacity(capacity),
        from(from),
        stride(stride),
        rows(rows),
        columns(columns),
        whole(columns % 4 == 0 && stride % 4 == 0 && reinterpret_cast<uintptr_t>(from) % (4 * sizeof(T)) == 0) {}

  /// Loads rows from `first` on, unless they are there. Every thread of the block takes part.
  template <class Block>
  RDROP_INLINE void hold(Block& block, int first, int chunk) {
    if (first == held_row && chunk == held_chunk) return;
    held_row = first;
    held_chunk = chunk;
    const int offset = block.thread() % 32 * 4;
    const int column = chunk * kTileColumns + offset, left = columns - column;
    block.barrier();  // nobody reads the former rows any more
    for (int row = block.thread() / 32; row < capacity; row += kAttentionWarps) {
      float x[4] = {0, 0, 0, 0};
      if (first + row < rows && left > 0) {
        load_four(from + (first + row) * stride + column, whole, left < 4 ? left : 4, x);
      }
      store_four(memory + row * kTilePitch + offset, true, 4, x);
    }
    block.barrier();
  }

  RDROP_INLINE int chunks() const { return (columns + kTileColumns - 1) / kTileColumns; }
  /// Columns of a chunk, up to four.
  RDROP_INLINE int width(int chunk) const {
    const int left = columns - chunk * kTileColumns;
    return left < kTileColumns ? (left + 3) / 4 * 4 : kTileColumns;
  }
};

/// sums[i] = Σ_c own[i][c]·other[lane][c] for the rows i of the warp, over all chunks.
template <class Block, typename T>
RDROP_INLINE void products(Block& block, Tile<T>& own, int own_first, Tile<T>& other, int other_first, float* sums) {
  RDROP_UNROLL
  for (int i = 0; i < kWarpRows; ++i) sums[i] = 0;
  for (int chunk = 0; chunk < own.chunks(); ++chunk) {
    own.hold(block, own_first, chunk);
    other.hold(block, other_first, chunk);
    const float* a = own.memory + block.thread() / 32 * kWarpRows * kTilePitch;
    const float* b = other.memory + block.thread() % 32 * kTilePitch;
    const int width = own.width(chunk);
    for (int c = 0; c < width; c += 4) {
      const Four<float> y = *reinterpret_cast<const Four<float>*>(b + c);
      RDROP_UNROLL
      for (int i = 0; i < kWarpRows; ++i) {
        const Four<float> x = *reinterpret_cast<const Four<float>*>(a + i * kTilePitch + c);
        RDROP_UNROLL
        for (int j = 0; j < 4; ++j) sums[i] += x.value[j] * y.value[j];
      }
    }
  }
}

/// sums[i][j] += Σ_l weights[i][l]·other[l][4·lane + j] for the rows i of the warp, in the chunk that `other` holds.
template <class Block>
RDROP_INLINE void add_weighted(Block& block, const float* weights, const float* other, float (*sums)[4]) {
  const float* w = weights + block.thread() / 32 * kWarpRows * kOtherRows;
  const float* b = other + block.thread() % 32 * 4;
  for (int l = 0; l < kOtherRows; l += 4) {
    Four<float> four[kWarpRows];
    RDROP_UNROLL
    for (int i = 0; i < kWarpRows; ++i) four[i] = *reinterpret_cast<const Four<float>*>(w + i * kOtherRows + l);
    RDROP_UNROLL
    for (int m = 0; m < 4; ++m) {
      const Four<float> y = *reinterpret_cast<const Four<float>*>(b + (l + m) * kTilePitch);
      RDROP_UNROLL
      for (int i = 0; i < kWarpRows; ++i) {
        RDROP_UNROLL
        for (int j = 0; j < 4; ++j) sums[i][j] += four[i].value[m] * y.value[j];
      }
    }
  }
}

}  // namespace rdrop::RDROP_ISA
