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
  int64_t source_rows, target_rows;  ///< of one pass; no target rows where one stack alone reads, the source
  int64_t sequences;                 ///< of one pass
  int64_t longest;                   ///< no sequence of either side is longer

  bool operator<(const Bucket& other) const {
    return std::tie(source_rows, target_rows, sequences, longest) <
           std::tie(other.source_rows, other.target_rows, other.sequences, other.longest);
  }
};

/// The smallest bucket that holds a batch. Rows are rounded up to a multiple of row_step, with 16 to spare, sequences
/// to a multiple of half of it, the longest of them to a power of two.
Bucket bucket_of(const PackedBatch& batch, const ModelConfig& config, int64_t row_step);

/// Sequences of the padding token that are added to each side of the batch to fill the rows of its bucket. They share
/// the missing rows of a side evenly, none of them too long; empty sequences follow up to the bucket's number.
int64_t pads_of(const PackedBatch& batch, const Bucket& bucket);

}  // namespace rdrop
