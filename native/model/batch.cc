// Checks of a batch before any work is done on it.
#include "model/batch.h"

#include <cmath>

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

int64_t PackedBatch::counted(int64_t ignore_index) const {
  int64_t count = int64_t(values.size());
  for (const int32_t token : target.tokens) count += token != ignore_index;
  return count;
}

namespace {

void check_count(const char* what, int64_t count, int64_t sources) {
  if (count == sources) return;
  fail(ErrorCode::invalid_argument, "batch: expected ", sources, " ", what, ", as many as sources, got ", count);
}

void check_pairs(const PackedBatch& batch, const ModelConfig& config) {
  check_packed(batch.target, "target", config.vocab_size, config.max_positions);
  if (batch.source.count() != batch.target.count()) {
    fail(ErrorCode::invalid_argument, "batch: expected as many sources as targets, got ", batch.source.count(), " and ",
         batch.target.count());
  }
}

/// Of a decoder alone, or the classes of sequences: numbers below `count`, or what is ignored.
void check_targets(const Packed& target, int64_t count, int64_t ignore_index) {
  for (int64_t i = 0; i < target.size(); ++i) {
    const int32_t token = target.tokens[i];
    if (token == ignore_index || (token >= 0 && token < count)) continue;
    fail(ErrorCode::token_out_of_range, "target ", i, ": expected a number from 0 to ", count - 1, ", got ", token);
  }
}

void check_decoder(const PackedBatch& batch, const ModelConfig& config, int64_t ignore_index) {
  if (batch.target.offsets != batch.source.offsets || batch.target.size() != batch.source.size()) {
    fail(ErrorCode::invalid_argument,
         "batch: expected targets as long as their sources: a decoder predicts one at each ", "position");
  }
  check_targets(batch.target, config.vocab_size, ignore_index);
}

void check_encoder(const PackedBatch& batch, const ModelConfig& config, int64_t ignore_index) {
  const int64_t count = batch.source.count();
  if (config.output == ModelConfig::Output::value) {
    if (batch.target.size() > 0) fail(ErrorCode::invalid_argument, "batch: expected no targets beside values");
    check_count("values", int64_t(batch.values.size()), count);
    for (const double value : batch.values) {
      if (!std::isfinite(value)) fail(ErrorCode::invalid_argument, "values: expected finite numbers, got ", value);
    }
  } else {
    if (!batch.values.empty()) fail(ErrorCode::invalid_argument, "batch: expected classes, got values");
    check_count("classes", batch.target.size(), count);
    check_count("classes", batch.target.count(), count);
    check_targets(batch.target, config.outputs, ignore_index);
  }
  if (batch.token_types.empty()) return;
  if (int64_t(batch.token_types.size()) != batch.source.size()) {
    fail(ErrorCode::invalid_argument, "tokenTypes: expected one of each of ", batch.source.size(), " tokens, got ",
         batch.token_types.size());
  }
  for (const int32_t type : batch.token_types) {
    if (type >= 0 && type < config.token_types) continue;
    fail(ErrorCode::token_out_of_range, "tokenTypes: expected numbers below ", config.token_types, ", got ", type);
  }
}

}  // namespace

void check_batch(const PackedBatch& batch, const ModelConfig& config, int64_t ignore_index) {
  const int64_t types = config.has_encoder() ? config.source_vocab_size : config.vocab_size;
  check_packed(batch.source, "source", types, config.max_positions);
  if (config.has_both()) check_pairs(batch, config);
  if (!config.has_encoder()) check_decoder(batch, config, ignore_index);
  if (!config.has_decoder()) check_encoder(batch, config, ignore_index);
  if (config.has_decoder() && !batch.values.empty()) {
    fail(ErrorCode::invalid_argument, "batch: expected no values: they go with an encoder alone");
  }
  if (config.token_types == 0 && !batch.token_types.empty()) {
    fail(ErrorCode::invalid_argument, "batch: expected no tokenTypes: the network has no embeddings of them");
  }
  if (batch.second_source.count() > 0) {
    check_packed(batch.second_source, "second source", types, config.max_positions);
    if (batch.second_source.count() != batch.source.count()) {
      fail(ErrorCode::invalid_argument, "batch: expected ", batch.source.count(), " second sources, got ",
           batch.second_source.count());
    }
    const bool alike = batch.second_source.offsets == batch.source.offsets;
    if (!alike && (!config.has_encoder() || !batch.token_types.empty())) {
      fail(ErrorCode::invalid_argument, "batch: expected second sources as long as the first");
    }
  }
}

}  // namespace rdrop
