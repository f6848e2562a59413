// The forward pass: fairseq/models/transformer/transformer_{encoder,decoder}.py without padding.
#include "model/transformer.h"

#include <ATen/ops/zeros.h>

#include <optional>
#include <utility>

#include "device/device_struct.h"
#include "model/checked_size.h"
#include "model/linear.h"
#include "model/tensors.h"
#include "device/loss_sums.h"
#include "core/dispatch.h"
#include "core/philox.h"

namespace rdrop {
namespace {

/// On the way back, when all that the tape holds from here on has run, tells that the gradients from a layer's first on
/// are final. The buffer begins with the embeddings and goes on with the layers in the order of the forward pass.
void watch_layer(Tape* tape, const SelfAttention& first_of_layer, const Parameters& parameters) {
  if (!tape || !tape->watcher) return;
  tape->push([tape, &first = first_of_layer.query_key_value.weight, &parameters](StateGradient gradient) {
    const auto begin = static_cast<const char*>(parameters.gradient.const_data_ptr());
    const auto here = static_cast<const char*>(first.gradient.const_data_ptr());
    tape->watcher((here - begin) / int64_t(parameters.gradient.element_size()));
    return gradient;
  });
}

}  // namespace

/// Counts the dropout sites of the network in the order of the forward pass.
struct Transformer::Pass {
  const ModelConfig& config;
  bool on;
  DropoutStream stream;

  Dropout next(double p, int64_t pass_rows) {
    const Dropout dropout{on ? p : 0.0, pass_rows, stream};
    ++stream.site;
    return dropout;
  }
  SublayerDropout attention(int64_t pass_rows) {
    const Dropout branch = next(config.dropout, pass_rows);
    return {branch, next(config.attention_dropout, pass_rows * config.heads)};
  }
  SublayerDropout feed_forward(int64_t pass_rows) {
    const Dropout branch = next(config.dropout, pass_rows);
    return {branch, next(config.activation_dropout, pass_rows)};
  }
};

Transformer::Transformer(const ModelConfig& config, at::ScalarType type, uint64_t seed, Device* device, bool tf32)
    : config_(config), type_(type), seed_(seed), device_(device), tf32_(tf32), parameters_(config, type, seed, device) {
  const DeviceScope scope(device_, tf32_);
  const auto options = at::TensorOptions(device_ ? at::kFloat : wide_type(type));
  const int64_t rows = checked_sum(config.max_positions, kPad + 1, "maxPositions");
  checked_product({rows, config.embed_dim}, "maxPositions × embedDim");
  const at::Tensor host = sinusoidal_positions(rows, config.embed_dim, options);
  sinusoids_ = host;
  if (device_) {
    sinusoids_ = device_->memory().empty(host.sizes(), at::kFloat);
    device_->memory().upload(host.const_data_ptr(), host.nbytes(), sinusoids_);
  }
}

void Transformer::changing() {
  std::erase_if(watchers_, [](const auto& watcher) { return !watcher(); });
}

at::Tensor Transformer::encode(Pass& pass, Tape* tape, const Sequences& source, const AttentionShape& shape) const {
  const int64_t rows = source.pass_rows;
  State state{embed(tape, parameters_.source_embedding, sinusoids_, source, pass.next(config_.dropout, rows),
                    !config_.pre_norm),
              {}};
  const auto& layers = parameters_.encoder;
  if (config_.pre_norm) {
    if (!layers.empty()) watch_layer(tape, layers[0].self_attention, parameters_);
    state = first_norm(tape, state.normed, layers.empty() ? parameters_.encoder_norm : layers[0].self_attention.norm);
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto& layer = layers[i];
    if (tape) tape->place.layer = int64_t(i);
    if (!config_.pre_norm) watch_layer(tape, layer.self_attention, parameters_);
    const LayerNorm& last = i + 1 < layers.size() ? layers[i + 1].self_attention.norm : parameters_.encoder_norm;
    state = self_attention(tape, state, layer.self_attention,
                           config_.pre_norm ? layer.feed_forward.norm : layer.self_attention.norm, shape,
                           pass.attention(rows), {Kept::fc1_input});
    // In pre-norm a layer ends with the first norm of the next, whose gradients are then final as well.
    if (config_.pre_norm && i + 1 < layers.size()) watch_layer(tape, layers[i + 1].self_attention, parameters_);
    state = feed_forward(tape, state, layer.feed_forward, config_.pre_norm ? last : layer.feed_forward.norm,
                         config_.activation, pass.feed_forward(rows), {Kept::query_key_value_input, 1});
  }
  return state.normed;
}

at::Tensor Transformer::decode(Pass& pass, Tape* tape, const Sequences& target, const at::Tensor& memory,
                               at::Tensor* memory_gradient, const AttentionShape& causal,
                               const AttentionShape& to_source) const {
  const int64_t rows = target.pass_rows;
  State state{embed(tape, parameters_.target_embedding, sinusoids_, target, pass.next(config_.dropout, rows),
                    !config_.pre_norm),
              {}};
  const auto& layers = parameters_.decoder;
  if (config_.pre_norm) {
    if (!layers.empty()) watch_layer(tape, layers[0].self_attention, parameters_);
    state = first_norm(tape, state.normed, layers.empty() ? parameters_.decoder_norm : layers[0].self_attention.norm);
  }
  const SourceMemory encoded = source_memory(tape, memory, memory_gradient, parameters_.source_keys);
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto& layer = layers[i];
    if (tape) tape->place.layer = int64_t(i);
    if (!config_.pre_norm) watch_layer(tape, layer.self_attention, parameters_);
    const LayerNorm& last = i + 1 < layers.size() ? layers[i + 1].self_attention.norm : parameters_.decoder_norm;
    state = self_attention(tape, state, layer.self_attention,
                           config_.pre_norm ? layer.cross_attention.norm : layer.self_attention.norm, causal,
                           pass.attention(rows), {Kept::source_query_input});
    state = cross_attention(tape, state, encoded, int64_t(i), layer.cross_attention,
                            config_.pre_norm ? layer.feed_forward.norm : layer.cross_attention.norm, to_source,
                            pass.attention(rows), {Kept::fc1_input});
    // In pre-norm a layer ends with the first norm of the next, whose gradients are then final as well.
    if (config_.pre_norm && i + 1 < layers.size()) watch_layer(tape, layers[i + 1].self_attention, parameters_);
    state = feed_forward(tape, state, layer.feed_forward, config_.pre_norm ? last : layer.feed_forward.norm,
                         config_.activation, pass.feed_forward(rows), {Kept::query_key_value_input, 1});
  }
  return state.normed;
}

at::Tensor Transformer::encode(const Packed& source) const {
  const DeviceScope scope(device_, tf32_);
  Pass pass{config_, false, {}};
  const Sequences sequences = sequences_of(source);
  return encode(pass, nullptr, sequences, attention_shape(sequences, sequences, config_.heads, false));
}

/// The decoder's output [T,D] without dropout.
at::Tensor Transformer::hidden(const PackedBatch& batch) const {
  Pass pass{config_, false, {}};
  const Sequences source = sequences_of(batch.source);
  const Sequences target = sequences_of(decoder_input(batch.target));
  const at::Tensor memory = encode(pass, nullptr, source, attention_shape(source, source, config_.heads, false));
  return decode(pass, nullptr, target, memory, nullptr, attention_shape(target, target, config_.heads, true),
                attention_shape(target, source, config_.heads, false));
}

at::Tensor Transformer::logits(const PackedBatch& batch) const {
  const DeviceScope scope(device_, tf32_);
  at::Tensor logits = new_tensor({batch.target.size(), config_.vocab_size}, type_);
  matrix_product(hidden(batch), parameters_.output_projection.value.t(), 0, logits);
  const at::Tensor host = device_ ? device_->memory().download(logits) : logits;
  return host.to(device_ ? at::kFloat : wide_type(type_));
}

LossSums Transformer::evaluate(const PackedBatch& batch, const LossOptions& options) const {
  const DeviceScope scope(device_, tf32_);
  at::Tensor logits = new_tensor({batch.target.size(), config_.vocab_size}, type_);
  matrix_product(hidden(batch), parameters_.output_projection.value.t(), 0, logits);
  const at::Tensor targets = int_tensor(batch.target.tokens);
  if (!device_) return cross_entropy(logits, targets, options);
  DeviceStruct<DeviceLossSums> sums(*device_);
  sums.write({});
  cross_entropy_on(*device_, logits, targets, options, sums.address(), 0);
  return checked_sums(sums.read(), options);
}

StepInput step_input(const PackedBatch& batch) {
  const Packed input = decoder_input(batch.target);
  const Packed& second = batch.second_source.count() > 0 ? batch.second_source : batch.source;
  return {sequences_of(batch.source, second, true), sequences_of(input, input, true), int_tensor(batch.target.tokens)};
}

void Transformer::enqueue_loss_and_gradients(const StepInput& input, const LossOptions& options, const DropoutKey& key,
                                             LossOutput& output, bool add, const GradientWatcher& watcher) {
  Pass pass{config_,
            key.on,
            {portable::stream_key(seed_, StreamRole::dropout), key.update << 16 | key.micro_batch, 0, key.update_at}};
  const AttentionShape source_to_source = attention_shape(input.source, input.source, config_.heads, false);
  const AttentionShape target_to_target = attention_shape(input.target, input.target, config_.heads, true);
  const AttentionShape target_to_source = attention_shape(input.target, input.source, config_.heads, false);
  Tape encoder, decoder;
  encoder.watcher = decoder.watcher = watcher;
  LayerMemory encoder_memory(config_.encoder_layers), decoder_memory(config_.decoder_layers);
  std::optional<DeviceGradients> gradients;
  if (device_) {
    gradients.emplace(*device_, add);
    encoder.place = {&*gradients, &encoder_memory};
    decoder.place = {&*gradients, &decoder_memory};
  }
  at::Tensor memory_gradient;
  at::Tensor gradient;
  {
    const at::Tensor memory = encode(pass, &encoder, input.source, source_to_source);
    const at::Tensor hidden =
        decode(pass, &decoder, input.target, memory, &memory_gradient, target_to_target, target_to_source);
    gradient = projection_loss(hidden, parameters_.output_projection, input.targets, options, output,
                               gradients ? &*gradients : nullptr);
  }
  decoder.run({std::exchange(gradient, at::Tensor()), at::Tensor()});
  if (gradients) gradients->finish_stack(/*beside=*/true);  // while the encoder's gradients go on
  decoder_memory = LayerMemory(0);
  encoder.run({std::exchange(memory_gradient, at::Tensor()), at::Tensor()});
  if (gradients) {
    gradients->finish_stack(/*beside=*/false);
    device_->join();
  }
}

LossSums Transformer::loss_and_gradients(const PackedBatch& batch, const LossOptions& options, const DropoutKey& key,
                                         const GradientWatcher& watcher) {
  const DeviceScope scope(device_, tf32_);
  LossOutput output;
  if (!device_) {
    enqueue_loss_and_gradients(step_input(batch), options, key, output, true, watcher);
    return output.sums;
  }
  DeviceStruct<DeviceLossSums> sums(*device_);
  sums.write({});
  output.device_sums = sums.address();
  enqueue_loss_and_gradients(step_input(batch), options, key, output, false);
  return checked_sums(sums.read(), options);
}

int64_t Transformer::bytes() const {
  if (device_) return 0;
  return 2 * parameters_.flat.nbytes() +
         (parameters_.compute_weights.defined() ? parameters_.compute_weights.nbytes() : 0);
}

}  // namespace rdrop
