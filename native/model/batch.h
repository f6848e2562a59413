// A batch of packed sentence pairs, and what the network needs to know of it. B pairs, S and T source and target
// tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"

namespace rdrop {

/// A ragged list: sequence i is tokens[offsets[i] .. offsets[i+1]).
struct Packed {
  std::vector<int32_t> tokens;
  std::vector<int32_t> offsets{0};

  int64_t count() const { return int64_t(offsets.size()) - 1; }
  int64_t size() const { return int64_t(tokens.size()); }
  /// Appends all sequences of another list.
  void append(const Packed& other);
};

struct PackedBatch {
  Packed source, target;
  Packed second_source;  ///< the sources of pass 2 where they differ (tests); empty otherwise
};

/// Throws INVALID_ARGUMENT or TOKEN_OUT_OF_RANGE, naming side, sentence and position.
void check_packed(const Packed& packed, const std::string& side, int64_t vocab_size, int64_t max_positions);
void check_batch(const PackedBatch& batch, const ModelConfig& config);

}  // namespace rdrop
