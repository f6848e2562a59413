// The forward pass: fairseq/models/transformer/transformer_{encoder,decoder}.py without padding.
#include "model/transformer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "model/projection_loss.h"
#include "ops/embedding.h"
#include "ops/philox.h"

namespace rdrop {

Packed decoder_input(const Packed& target) {
  Packed input = target;
  for (int64_t i = 0; i < target.count(); ++i) {
    const int32_t begin = target.offsets[i], end = target.offsets[i + 1];
    input.tokens[begin] = kEos;
    std::copy(target.tokens.begin() + begin, target.tokens.begin() + end - 1, input.tokens.begin() + begin + 1);
  }
  return input;
}

at::Tensor int_tensor(const std::vector<int32_t>& values) {
  at::Tensor tensor = at::empty({int64_t(values.size())}, at::TensorOptions(at::kInt));
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<int32_t>());
  return tensor;
}

Sequences sequences_of(const Packed& first, const Packed& second) {
  Packed all = first;
  all.append(second);
  std::vector<int32_t> positions;
  positions.reserve(all.tokens.size());
  for (int64_t i = 0; i < all.count(); ++i) {
    const int32_t length = all.offsets[i + 1] - all.offsets[i];
    for (int32_t k = 0; k < length; ++k) positions.push_back(kPad + 1 + k);
  }
  return {int_tensor(all.tokens), int_tensor(positions), std::move(all.offsets), first.size()};
}

/// Counts the dropout sites of the network in the order of the forward pass.
struct Transformer::Pass {
  const ModelConfig& config;
  bool on;
  uint64_t key, update;
  uint32_t site = 0;

  Dropout next(double p, int64_t pass_rows) { return {on ? p : 0.0, pass_rows, {key, update, site++}}; }
  SublayerDropout attention(int64_t pass_rows) {
    const Dropout branch = next(config.dropout, pass_rows);
    return {branch, next(config.attention_dropout, pass_rows * config.heads)};
  }
  SublayerDropout feed_forward(int64_t pass_rows) {
    const Dropout branch = next(config.dropout, pass_rows);
    return {branch, next(config.activation_dropout, pass_rows)};
  }
};

Transformer::Transformer(const ModelConfig& config, at::ScalarType type, uint64_t seed)
    : config_(config), seed_(seed), parameters_(config, type, seed) {
  sinusoids_ = sinusoidal_positions(config.max_positions + kPad + 1, config.embed_dim, at::TensorOptions(type));
}

at::Tensor Transformer::encode(Pass& pass, const Sequences& source) const {
  const int64_t rows = source.pass_rows;
  State state{embed(parameters_.source_embedding, sinusoids_, source.tokens, source.positions,
                    pass.next(config_.dropout, rows)),
              {}};
  const auto& layers = parameters_.encoder;
  if (config_.pre_norm) {
    state = first_norm(state.normed, layers.empty() ? parameters_.encoder_norm : layers[0].self_attention.norm);
  }
  const std::vector<int32_t> begin(source.offsets.begin(), source.offsets.end() - 1);
  const std::vector<int32_t> end(source.offsets.begin() + 1, source.offsets.end());
  const AttentionShape shape{source.offsets, begin, end, config_.heads, false};
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto& layer = layers[i];
    const LayerNorm& last = i + 1 < layers.size() ? layers[i + 1].self_attention.norm : parameters_.encoder_norm;
    state = self_attention(state, layer.self_attention,
                           config_.pre_norm ? layer.feed_forward.norm : layer.self_attention.norm, shape,
                           pass.attention(rows));
    state = feed_forward(state, layer.feed_forward, config_.pre_norm ? last : layer.feed_forward.norm,
                         config_.activation, pass.feed_forward(rows));
  }
  return state.normed;
}

at::Tensor Transformer::decode(Pass& pass, const Sequences& target, const at::Tensor& memory,
                               const Sequences& source) const {
  const int64_t rows = target.pass_rows;
  State state{embed(parameters_.target_embedding, sinusoids_, target.tokens, target.positions,
                    pass.next(config_.dropout, rows)),
              {}};
  const auto& layers = parameters_.decoder;
  if (config_.pre_norm) {
    state = first_norm(state.normed, layers.empty() ? parameters_.decoder_norm : layers[0].self_attention.norm);
  }
  const auto begins = [](const Sequences& s) { return std::vector<int32_t>(s.offsets.begin(), s.offsets.end() - 1); };
  const auto ends = [](const Sequences& s) { return std::vector<int32_t>(s.offsets.begin() + 1, s.offsets.end()); };
  const AttentionShape causal{target.offsets, begins(target), ends(target), config_.heads, true};
  const AttentionShape to_source{target.offsets, begins(source), ends(source), config_.heads, false};
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto& layer = layers[i];
    const LayerNorm& last = i + 1 < layers.size() ? layers[i + 1].self_attention.norm : parameters_.decoder_norm;
    state = self_attention(state, layer.self_attention,
                           config_.pre_norm ? layer.cross_attention.norm : layer.self_attention.norm, causal,
                           pass.attention(rows));
    state = cross_attention(state, memory, layer.cross_attention,
                            config_.pre_norm ? layer.feed_forward.norm : layer.cross_attention.norm, to_source,
                            pass.attention(rows));
    state = feed_forward(state, layer.feed_forward, config_.pre_norm ? last : layer.feed_forward.norm,
                         config_.activation, pass.feed_forward(rows));
  }
  return state.normed;
}

at::Tensor Transformer::encode(const Packed& source) const {
  at::NoGradGuard no_grad;
  Pass pass{config_, false, 0, 0};
  return encode(pass, sequences_of(source));
}

at::Tensor Transformer::logits(const PackedBatch& batch) const {
  at::NoGradGuard no_grad;
  Pass pass{config_, false, 0, 0};
  const Sequences source = sequences_of(batch.source);
  const Sequences target = sequences_of(decoder_input(batch.target));
  const at::Tensor hidden = decode(pass, target, encode(pass, source), source);
  return at::mm(hidden, parameters_.output_projection.value.t());
}

LossSums Transformer::evaluate(const PackedBatch& batch, const LossOptions& options) const {
  at::NoGradGuard no_grad;
  return cross_entropy(logits(batch), int_tensor(batch.target.tokens), options);
}

LossSums Transformer::loss_and_gradients(const PackedBatch& batch, const LossOptions& options, const DropoutKey& key) {
  at::AutoGradMode grad(true);
  // The tables are the leaves that start the tape; their gradients go straight to the flat buffer.
  parameters_.source_embedding.value.set_requires_grad(true);
  parameters_.target_embedding.value.set_requires_grad(true);
  Pass pass{config_, key.on, portable::stream_key(seed_, StreamRole::dropout), key.update << 16 | key.micro_batch};
  const Packed input = decoder_input(batch.target);
  const Packed& second = batch.second_source.count() > 0 ? batch.second_source : batch.source;
  const Sequences source = sequences_of(batch.source, second);
  const Sequences target = sequences_of(input, input);
  LossSums sums;
  at::Tensor loss = projection_loss(decode(pass, target, encode(pass, source), source), parameters_.output_projection,
                                    int_tensor(batch.target.tokens), options, sums);
  loss.backward();
  return sums;
}

int64_t Transformer::bytes() const {
  return 2 * parameters_.flat.nbytes();
}

}  // namespace rdrop
