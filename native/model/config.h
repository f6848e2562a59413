// The configuration of a network, complete: defaults for its callers live in lib/options/model.ts alone.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/activation/activation_kind.h"
#include "ops/pooling/pooling_kind.h"

namespace rdrop {

/// ModelOptions of lib/options/model.ts says what each means. What has a value here is as in an encoder-decoder of
/// fairseq.
struct ModelConfig {
  /// Types of the source's and of the target's dictionary; the same number where there is one for both.
  int64_t source_vocab_size, vocab_size;
  int64_t embed_dim, ffn_dim, heads, encoder_layers, decoder_layers;
  double dropout, attention_dropout, activation_dropout;
  bool pre_norm;
  Activation activation;
  enum class Share { all, decoder, none } share_embeddings;
  int64_t max_positions;

  enum class Architecture { encoder_decoder, encoder, decoder } architecture = Architecture::encoder_decoder;
  bool learned_positions = false;
  int64_t token_types = 0;
  bool scale_embeddings = true;
  bool embedding_norm = false;
  double norm_epsilon = 1e-5;
  bool bias = true;
  enum class Initialization { fairseq, bert, gpt2 } initialization = Initialization::fairseq;

  // The head of an encoder.
  enum class Output { classes, value } output = Output::classes;
  int64_t outputs = 0;
  Pooling pooling = Pooling::first;
  enum class Pooler { none, tanh, relu } pooler = Pooler::tanh;
  double head_input_dropout = 0, head_dropout = 0.1;

  bool has_encoder() const { return architecture != Architecture::decoder; }
  bool has_decoder() const { return architecture != Architecture::encoder; }
  /// Whether the decoder attends to an encoder.
  bool has_both() const { return architecture == Architecture::encoder_decoder; }
  /// Numbers that the network gives for a position or a sequence.
  int64_t output_count() const { return has_decoder() ? vocab_size : outputs; }
  /// Of token embeddings.
  double embedding_scale() const { return scale_embeddings ? std::sqrt(double(embed_dim)) : 1; }
};

/// fairseq's dictionary: `<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3.
constexpr int32_t kPad = 1;
constexpr int32_t kEos = 2;
constexpr int32_t kUnknown = 3;

}  // namespace rdrop
