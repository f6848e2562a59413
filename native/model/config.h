// The configuration of a Transformer, complete: defaults live in lib/options/model.ts alone.
#pragma once

#include <cstdint>

#include "ops/activation/activation_kind.h"

namespace rdrop {

struct ModelConfig {
  /// Types of the source's and of the target's dictionary; the same number where there is one for both.
  int64_t source_vocab_size, vocab_size;
  int64_t embed_dim, ffn_dim, heads, encoder_layers, decoder_layers;
  double dropout, attention_dropout, activation_dropout;
  bool pre_norm;
  Activation activation;
  enum class Share { all, decoder, none } share_embeddings;
  int64_t max_positions;
};

/// fairseq's dictionary: `<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3.
constexpr int32_t kPad = 1;
constexpr int32_t kEos = 2;
constexpr int32_t kUnknown = 3;

}  // namespace rdrop
