// What attention over short sequences does with tensor cores: a block holds one head of one sequence in shared memory,
// a warp works on 16 rows at a time. Scores and probabilities stay in the registers that the products left them in.
// There lane l has, of the 16 rows of its warp, rows g = l / 4 and g + 8; of each eight columns, 2t and 2t + 1 with t =
// l % 4.
#pragma once

#include "ops/attention/attention_item.h"

namespace rdrop::RDROP_ISA {

constexpr int kSide = 16;  // rows and columns of a tile

RDROP_INLINE int tiles_of_16(int64_t rows) {
  return int((rows + kSide - 1) / kSide);
}

/// Rows of `columns` elements in shared memory, from `offset` bytes on. The pitch is an odd multiple of 16 bytes, so
/// that eight rows, 16 bytes of each, meet no bank of memory twice.
struct ShortTile {
  int offset, pitch;  // in bytes

  RDROP_INLINE ShortTile(int offset, int columns) : offset(offset), pitch((columns + 8) * 2) {}
  RDROP_INLINE int at(int row, int column) const { return offset + row * pitch + column * 2; }
  /// Bytes of such a tile.
  RDROP_INLINE static int bytes(int rows, int columns) { return rows * (columns + 8) * 2; }

  // The lane's row of a 16 × 16 piece at (row, column), for load_matrices or load_matrices_transposed.

  /// Plain: the piece as `a`. Transposed: the piece as `b`.
  RDROP_INLINE int down(int lane, int row, int column) const { return at(row + lane % 16, column + lane / 16 * 8); }
  /// Plain: the piece's transpose as `b`. Transposed: the piece's transpose as `a`.
  RDROP_INLINE int across(int lane, int row, int column) const {
    return at(row + lane / 16 * 8 + lane % 8, column + lane / 8 % 2 * 8);
  }
};

/// How the threads of a block share the copying of rows of 8·`pieces` elements.
struct CopyShare {
  int pieces, row, piece, row_step, piece_step;

  template <class Block>
  RDROP_INLINE CopyShare(Block& block, int columns)
      : pieces(columns / 8),
        row(block.thread() / pieces),
        piece(block.thread() % pieces),
        row_step(block.threads() / pieces),
        piece_step(block.threads() % pieces) {}

  /// Starts the copy of `rows` rows, and of zeros up to a whole tile, which products over rows count on.
  template <class Block, typename T>
  RDROP_INLINE void copy(Block& block, const ShortTile& to, const T* from, int64_t stride, int rows) const {
    const int all = tiles_of_16(rows) * kSide;
    int r = row, p = piece;
    while (r < all) {
      const bool zeros = r >= rows;
      block.copy_16(to.at(r, p * 8), from + (zeros ? 0 : r * stride + p * 8), zeros);
      r += row_step;
      p += piece_step;
      if (p >= pieces) {
        p -= pieces;
        ++r;
      }
    }
  }
};

/// Where a lane's eight scores of a tile of 16 queries and 16 keys lie: four of the left half, four of the right one.
struct ScorePlace {
  int g, t;

  RDROP_INLINE explicit ScorePlace(int lane) : g(lane / 4), t(lane % 4) {}
  RDROP_INLINE int query(int first, int i) const { return first + g + i % 4 / 2 * 8; }
  RDROP_INLINE int key(int tile, int i) const { return tile * kSide + i / 4 * 8 + 2 * t + i % 2; }
};

/// The tiles of keys that a warp's 16 queries from `first` on see.
template <typename T>
RDROP_INLINE int tiles_seen(const AttentionItem& item, const DeviceAttention<T>& a, int first) {
  if (first >= item.queries) return 0;
  const int last = a.causal && first + kSide < item.keys ? first + kSide : item.keys;
  return tiles_of_16(last);
}

/// Combines the four lanes that share a row.
template <class Block, class Combine>
RDROP_INLINE float over_row(Block& block, float value, Combine combine) {
  value = combine(value, block.shuffle_xor(value, 1));
  return combine(value, block.shuffle_xor(value, 2));
}

/// Draws the masks of a warp's 16 queries: a byte a key, 1 where it stays. The warp meets before they are read.
template <class Block, typename T>
RDROP_INLINE void draw_masks(Block& block, const Keep& keep, const AttentionItem& item, const DeviceAttention<T>& a,
                             int first, char* masks, int pitch) {
  const int quarter = (item.keys + 3) / 4, rows = item.queries - first < kSide ? item.queries - first : kSide;
  for (int i = block.thread() % 32; i < rows * quarter; i += 32) {
    const int row = i / quarter, l = i - row * quarter;
    uint32_t words[4];
    keep.words(item, a, first + row, l, words);
    RDROP_UNROLL
    for (int w = 0; w < 4; ++w) {
      const int key = w * quarter + l;
      if (key < item.keys) masks[row * pitch + key] = words[w] >= keep.threshold;
    }
  }
}

/// Writes 16 × 16 sums, left and right half, to rows of 16 columns from `to` on; `rows` of them exist. Two lanes change
/// places of a half, so that each writes 8 bytes and four of them a whole sector.
template <class Block, typename T>
RDROP_INLINE void store_tile(Block& block, T* to, int64_t stride, int rows, const float (&sums)[2][4]) {
  const int lane = block.thread() % 32, row = lane / 4;
  const bool odd = lane % 2 != 0;
  RDROP_UNROLL
  for (int half = 0; half < 2; ++half) {
    const uint32_t left = pack_two<T>(sums[0][2 * half], sums[0][2 * half + 1]);
    const uint32_t right = pack_two<T>(sums[1][2 * half], sums[1][2 * half + 1]);
    const uint32_t other = block.shuffle_xor(odd ? left : right, 1);
    const uint64_t mine = odd ? other | uint64_t(right) << 32 : left | uint64_t(other) << 32;
    if (row + 8 * half < rows) {
      const int column = (odd ? 8 : 0) + lane % 4 / 2 * 4;
      *reinterpret_cast<uint64_t*>(to + (row + 8 * half) * stride + column) = mine;
    }
  }
}

/// sums += a·b for a 16 × 16 piece of b, left and right half.
template <typename T, class Block>
RDROP_INLINE void multiply_tile(Block& block, float (*sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[4]) {
  block.template multiply_16x8x16<T>(sums[0], a, b[0], b[1]);
  block.template multiply_16x8x16<T>(sums[1], a, b[2], b[3]);
}

}  // namespace rdrop::RDROP_ISA
