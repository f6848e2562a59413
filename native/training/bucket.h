// The shapes of captured steps. Token counts are rounded up, so that a few graphs serve every batch: rows and sequences
// are added that nobody looks at. Their targets are ignored, so every gradient that comes from them is exactly zero;
// the rows of the real tokens keep their numbers within the pass, and with them their dropout masks. n pairs, S and T
// source and target tokens of one pass.
#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

#include "model/batch.h"

namespace rdrop {

struct Bucket {
  int64_t source_rows, target_rows;  ///< of one pass
  int64_t sequences;                 ///< of one pass
  int64_t longest;                   ///< no sequence of either side is longer

  bool operator<(const Bucket& other) const {
    return std::tie(source_rows, target_rows, sequences, longest) <
           std::tie(other.source_rows, other.target_rows, other.sequences, other.longest);
  }
};

/// The smallest bucket that holds a batch. Rows are rounded up to a multiple of row_step, with 16 to spare, sequences
/// to a multiple of half of it, the longest of them to a power of two.
Bucket bucket_of(const PackedBatch& batch, int64_t max_positions, int64_t row_step);

/// The batch with as many rows and sequences as the bucket has: sequences of the padding token, then empty ones. The
/// added targets are `ignored`.
struct PaddedBatch {
  Packed source, second_source, target_input;  // second_source is always filled
  std::vector<int32_t> targets;
};
PaddedBatch pad_batch(const PackedBatch& batch, const Bucket& bucket, int32_t ignored);

}  // namespace rdrop
