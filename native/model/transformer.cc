// See transformer.h; the layers are in stack/ and head.cc.
#include "model/transformer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/dispatch.h"
#include "core/philox.h"
#include "device/device_struct.h"
#include "device/loss_sums.h"
#include "model/checked_size.h"
#include "model/head.h"
#include "model/linear.h"
#include "model/stack/stack.h"
#include "model/tensors.h"
#include "ops/embedding/embedding.h"
#include "ops/pooling/pooling.h"
#include "ops/squared_error/squared_error.h"

namespace rdrop {
namespace {

/// Runs the stacks of a network, forward and back.
class Run {
 public:
  Run(const ModelConfig& config, const Parameters& parameters, const StepInput& input)
      : config_(config), parameters_(parameters), input_(input) {
    const int64_t heads = config.heads;
    if (config.has_encoder()) source_shape_ = attention_shape(input.source, input.source, heads, false);
    if (config.has_decoder()) target_shape_ = attention_shape(input.target, input.target, heads, true);
    if (config.has_both()) to_source_ = attention_shape(input.target, input.source, heads, false);
    const bool pools_first = !config.has_decoder() && config.pooling == Pooling::first && config.encoder_layers > 0;
    if (pools_first && !current_device()) first_tokens_.emplace(input.source, heads);
  }

  /// The last states of the decoder, or else of the encoder. tapes null: no backward.
  at::Tensor forward(DropoutSites& sites, Tape* encoder, Tape* decoder) {
    at::Tensor states;
    if (config_.has_encoder()) {
      states = run_stack(config_, parameters_.encoder, sites, encoder, input_.source, source_shape_);
    }
    if (!config_.has_decoder()) return states;
    if (!config_.has_encoder()) {
      return run_stack(config_, parameters_.decoder, sites, decoder, input_.target, target_shape_);
    }
    const StackSource source{states, decoder ? &memory_gradient_ : nullptr, parameters_.source_keys, to_source_};
    return run_stack(config_, parameters_.decoder, sites, decoder, input_.target, target_shape_, &source);
  }

  /// What the head of an encoder sees: a row of each sequence [n,D].
  at::Tensor pooled(DropoutSites& sites, Tape* encoder) {
    if (!first_tokens_) return pooling(forward(sites, encoder, nullptr), input_.source.starts, config_.pooling);
    return run_stack(config_, parameters_.encoder, sites, encoder, input_.source, source_shape_, nullptr,
                     &*first_tokens_);
  }

  /// The gradient of the encoder's last states, given that of the pooled rows [n,D].
  at::Tensor pooled_backward(const at::Tensor& gradient) const {
    if (first_tokens_) return gradient;
    return pooling_backward(gradient, input_.source.starts, input_.source.tokens.size(0), config_.pooling);
  }

  /// That of the encoder's states, when the decoder is through.
  at::Tensor take_memory_gradient() { return std::exchange(memory_gradient_, at::Tensor()); }

 private:
  const ModelConfig& config_;
  const Parameters& parameters_;
  const StepInput& input_;
  AttentionShape source_shape_, target_shape_, to_source_;
  std::optional<FirstTokens> first_tokens_;  // where the head needs no other row
  at::Tensor memory_gradient_;
};

/// float64 [n].
at::Tensor double_tensor(const std::vector<double>& values) {
  at::Tensor tensor = new_tensor({int64_t(values.size())}, at::kDouble);
  if (Device* device = current_device()) {
    device->memory().upload(values.data(), values.size() * sizeof(double), tensor);
  } else {
    std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<double>());
  }
  return tensor;
}

StepInput input_of(const ModelConfig& config, const PackedBatch& batch, int passes, bool backward) {
  const Packed none;
  const auto sequences = [&](const Packed& first, const Packed& second, const std::vector<int32_t>* types, bool typed) {
    const SequenceUse use{backward, config.learned_positions, types, typed};
    return sequences_of(first, passes == 2 ? second : none, use);
  };
  const Packed& second = batch.second_source.count() > 0 ? batch.second_source : batch.source;
  StepInput input;
  if (config.has_encoder()) {
    input.source = sequences(batch.source, second, &batch.token_types, config.token_types > 0);
  }
  if (config.has_both()) {
    const Packed reads = decoder_input(batch.target);
    input.target = sequences(reads, reads, nullptr, false);
  } else if (config.has_decoder()) {
    input.target = sequences(batch.source, second, nullptr, false);
  }
  if (batch.values.empty()) {
    input.targets = int_tensor(batch.target.tokens);
  } else {
    input.values = double_tensor(batch.values);
  }
  return input;
}

}  // namespace

Transformer::Transformer(const ModelConfig& config, at::ScalarType type, uint64_t seed, Device* device, bool tf32)
    : config_(config), type_(type), seed_(seed), device_(device), tf32_(tf32), parameters_(config, type, seed, device) {
  if (config.learned_positions) return;
  const DeviceScope scope(device_, tf32_);
  const auto options = at::TensorOptions(device_ ? at::kFloat : wide_type(type));
  const int64_t rows = checked_sum(config.max_positions, kPad + 1, "maxPositions");
  checked_product({rows, config.embed_dim}, "maxPositions × embedDim");
  const at::Tensor host = sinusoidal_positions(rows, config.embed_dim, options);
  at::Tensor sinusoids = host;
  if (device_) {
    sinusoids = device_->memory().empty(host.sizes(), at::kFloat);
    device_->memory().upload(host.const_data_ptr(), host.nbytes(), sinusoids);
  }
  parameters_.encoder.embedding.position_table = sinusoids;
  parameters_.decoder.embedding.position_table = sinusoids;
}

void Transformer::changing() {
  std::erase_if(watchers_, [](const auto& watcher) { return !watcher(); });
}

at::Tensor Transformer::encode(const Packed& source) const {
  const DeviceScope scope(device_, tf32_);
  DropoutSites sites(config_, false, {});
  const SequenceUse use{false, false, nullptr, config_.token_types > 0};
  const Sequences sequences = sequences_of(source, {}, use);
  const AttentionShape shape = attention_shape(sequences, sequences, config_.heads, false);
  return run_stack(config_, parameters_.encoder, sites, nullptr, sequences, shape);
}

StepInput Transformer::forward_input(const PackedBatch& batch) const {
  return input_of(config_, batch, 1, false);
}

at::Tensor Transformer::last_states(const StepInput& input) const {
  DropoutSites sites(config_, false, {});
  return Run(config_, parameters_, input).forward(sites, nullptr, nullptr);
}

at::Tensor Transformer::outputs(const StepInput& input) const {
  if (!config_.has_decoder()) {
    DropoutSites sites(config_, false, {});
    return head_outputs(config_, parameters_.head, Run(config_, parameters_, input).pooled(sites, nullptr));
  }
  at::Tensor logits = new_tensor({input.target.tokens.size(0), config_.vocab_size}, type_);
  matrix_product(last_states(input), parameters_.output_projection.value.t(), 0, logits);
  return logits;
}

at::Tensor Transformer::to_host(const at::Tensor& tensor) const {
  const at::Tensor host = device_ ? device_->memory().download(tensor) : tensor;
  return host.to(device_ ? at::kFloat : wide_type(type_));
}

at::Tensor Transformer::logits(const PackedBatch& batch) const {
  const DeviceScope scope(device_, tf32_);
  return to_host(outputs(forward_input(batch)));
}

at::Tensor Transformer::hidden(const PackedBatch& batch) const {
  const DeviceScope scope(device_, tf32_);
  return to_host(last_states(forward_input(batch)));
}

at::Tensor Transformer::next_logits(const Packed& sequences) const {
  const DeviceScope scope(device_, tf32_);
  PackedBatch batch;
  batch.source = sequences;
  const at::Tensor states = last_states(forward_input(batch));
  const at::Tensor last = new_tensor({sequences.count(), config_.embed_dim}, type_);
  for (int64_t i = 0; i < sequences.count(); ++i)
    copy_tensor(states.narrow(0, sequences.offsets[i + 1] - 1, 1), last.narrow(0, i, 1));
  // Not rounded to 16 bits, where too many would be equal.
  at::Tensor logits = new_tensor({sequences.count(), config_.vocab_size}, device_ ? at::kFloat : wide_type(type_));
  matrix_product(last, parameters_.output_projection.value.t(), 0, logits);
  return to_host(logits);
}

LossSums Transformer::evaluate(const PackedBatch& batch, const LossOptions& options) const {
  const DeviceScope scope(device_, tf32_);
  const StepInput input = forward_input(batch);
  const at::Tensor results = outputs(input);
  LossOptions one_pass = options;
  one_pass.passes = 1;
  at::Tensor no_gradient;
  if (!device_) {
    return input.values.defined() ? squared_error(results, input.values, one_pass, no_gradient)
                                  : cross_entropy(results, input.targets, options);
  }
  DeviceStruct<DeviceLossSums> sums(*device_);
  sums.write({});
  if (input.values.defined()) {
    squared_error_on(*device_, results, input.values, one_pass, no_gradient, sums.address(), 0, nullptr);
  } else {
    cross_entropy_on(*device_, results, input.targets, options_on(*device_, options), sums.address(), 0);
  }
  return checked_sums(sums.read(), options);
}

StepInput step_input(const ModelConfig& config, const PackedBatch& batch, int passes) {
  return input_of(config, batch, passes, true);
}

void Transformer::enqueue_loss_and_gradients(const StepInput& input, const LossOptions& options, const DropoutKey& key,
                                             LossOutput& output, bool add, const GradientWatcher& watcher) {
  DropoutSites sites(
      config_, key.on,
      {portable::stream_key(seed_, StreamRole::dropout), key.update << 16 | key.micro_batch, 0, key.update_at});
  Run run(config_, parameters_, input);
  Tape encoder, decoder;
  if (watcher) {
    encoder.watcher = decoder.watcher = [&](const at::Tensor& first) {
      watcher(first.storage_offset() - parameters_.gradient.storage_offset());
    };
  }
  LayerMemory encoder_memory(config_.encoder_layers), decoder_memory(config_.decoder_layers);
  std::optional<DeviceGradients> device_gradients;
  DeviceGradients* gradients = nullptr;
  if (device_) {
    gradients = &device_gradients.emplace(*device_, add);
    encoder.place = {gradients, &encoder_memory};
    decoder.place = {gradients, &decoder_memory};
  }
  at::Tensor gradient;
  if (config_.has_decoder()) {
    const at::Tensor states = run.forward(sites, &encoder, &decoder);
    gradient = projection_loss(states, parameters_.output_projection, input.targets, options, output, gradients);
  } else {
    const at::Tensor pooled = run.pooled(sites, &encoder);
    const HeadTargets targets{input.targets, input.values};
    gradient =
        run.pooled_backward(head_loss(config_, parameters_.head, sites, pooled, targets, options, output, gradients));
  }
  if (config_.has_decoder()) {
    decoder.run({std::exchange(gradient, at::Tensor()), at::Tensor()});
    // While the encoder's gradients go on.
    if (gradients) gradients->finish_stack(/*beside=*/config_.has_encoder());
    decoder_memory = LayerMemory(0);
    gradient = run.take_memory_gradient();
  }
  if (config_.has_encoder()) {
    encoder.run({std::exchange(gradient, at::Tensor()), at::Tensor()});
    if (gradients) gradients->finish_stack(/*beside=*/false);
  }
  if (gradients) device_->join();
}

LossSums Transformer::loss_and_gradients(const PackedBatch& batch, const LossOptions& options, const DropoutKey& key,
                                         const GradientWatcher& watcher) {
  const DeviceScope scope(device_, tf32_);
  LossOutput output;
  const StepInput input = step_input(config_, batch, options.passes);
  if (!device_) {
    enqueue_loss_and_gradients(input, options, key, output, true, watcher);
    return output.sums;
  }
  DeviceStruct<DeviceLossSums> sums(*device_);
  sums.write({});
  output.device_sums = sums.address();
  const LossOptions own = options_on(*device_, options);
  enqueue_loss_and_gradients(input, own, key, output, false);
  return checked_sums(sums.read(), options);
}

int64_t Transformer::bytes() const {
  if (device_) return 0;
  return 2 * parameters_.flat.nbytes() +
         (parameters_.compute_weights.defined() ? parameters_.compute_weights.nbytes() : 0);
}

}  // namespace rdrop
