// Checks of a batch before any work is done on it.
#include "model/batch.h"

#include "core/errors.h"

namespace rdrop {

void Packed::append(const Packed& other) {
  const int32_t base = int32_t(tokens.size());
  tokens.insert(tokens.end(), other.tokens.begin(), other.tokens.end());
  for (size_t i = 1; i < other.offsets.size(); ++i) offsets.push_back(base + other.offsets[i]);
}

void check_packed(const Packed& packed, const std::string& side, int64_t vocab_size, int64_t max_positions) {
  if (packed.offsets.empty() || packed.offsets.front() != 0 || packed.offsets.back() != packed.size()) {
    fail(ErrorCode::invalid_argument, side, ": offsets must run from 0 to the number of tokens, ", packed.size());
  }
  if (packed.count() == 0) fail(ErrorCode::invalid_argument, side, ": expected at least one sentence, got none");
  for (int64_t i = 0; i < packed.count(); ++i) {
    const int64_t length = int64_t(packed.offsets[i + 1]) - packed.offsets[i];
    if (length < 1)
      fail(ErrorCode::invalid_argument, side, " of pair ", i, ": expected at least one token (eos), got ", length);
    if (length > max_positions) {
      fail(ErrorCode::invalid_argument, side, " of pair ", i, ": expected at most ", max_positions,
           " tokens (maxPositions), got ", length);
    }
    for (int64_t k = 0; k < length; ++k) {
      const int32_t token = packed.tokens[packed.offsets[i] + k];
      if (token < 0 || token >= vocab_size) {
        fail(ErrorCode::token_out_of_range, side, " of pair ", i, ", position ", k, ": expected a token id from 0 to ",
             vocab_size - 1, ", got ", token);
      }
    }
  }
}

void check_batch(const PackedBatch& batch, const ModelConfig& config) {
  const int64_t max_positions = config.max_positions;
  check_packed(batch.source, "source", config.source_vocab_size, max_positions);
  check_packed(batch.target, "target", config.vocab_size, max_positions);
  if (batch.source.count() != batch.target.count()) {
    fail(ErrorCode::invalid_argument, "batch: expected as many sources as targets, got ", batch.source.count(), " and ",
         batch.target.count());
  }
  if (batch.second_source.count() > 0) {
    check_packed(batch.second_source, "second source", config.source_vocab_size, max_positions);
    if (batch.second_source.count() != batch.source.count()) {
      fail(ErrorCode::invalid_argument, "batch: expected ", batch.source.count(), " second sources, got ",
           batch.second_source.count());
    }
  }
}

}  // namespace rdrop
