// A batch of packed sequences, and what the network needs to know of it. B pairs, S and T source and target tokens.
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

/// Encoder-decoder: pairs. Decoder: source is what it reads, target what it predicts at each position. Encoder: source,
/// and in target a class of each, or in values a number of each.
struct PackedBatch {
  Packed source, target;
  Packed second_source{};              ///< the sources of pass 2 where they differ (tests); empty otherwise
  std::vector<int32_t> token_types{};  ///< [S] of an encoder; empty: all 0
  std::vector<double> values{};        ///< [B]

  /// The positions of a loss: targets or values.
  int64_t positions() const { return values.empty() ? target.size() : int64_t(values.size()); }
  /// Positions that count.
  int64_t counted(int64_t ignore_index) const;
};

/// Throws INVALID_ARGUMENT or TOKEN_OUT_OF_RANGE, naming side, sentence and position.
void check_packed(const Packed& packed, const std::string& side, int64_t vocab_size, int64_t max_positions);
/// The target of a decoder, and the class of a sequence, may also be ignore_index.
void check_batch(const PackedBatch& batch, const ModelConfig& config, int64_t ignore_index = kPad);

}  // namespace rdrop
