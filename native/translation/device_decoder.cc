// See device_decoder.h.
#include "translation/device_decoder.h"

#include <algorithm>

#include "device/device.h"
#include "device/dispatch.h"
#include "device/launch.h"
#include "model/linear.h"
#include "model/stack/input.h"
#include "model/tensors.h"
#include "ops/dropout_residual_norm/dropout_residual_norm.h"
#include "ops/decode_attention/decode_attention_kernel.h"

namespace rdrop {

namespace {

/// Cached keys and values may take this share of the device's memory, and this much in any case.
constexpr int64_t kCacheShare = 8;
constexpr int64_t kLeastCacheBytes = int64_t{1} << 30;

/// What fits a block's shared memory, with room to spare.
constexpr int64_t kMostSharedFloats = int64_t(kMostSharedBytes / sizeof(float));

}  // namespace

DeviceDecoder::DeviceDecoder(const Transformer& model, int64_t sentences, int64_t beam, int64_t positions,
                             int64_t source_tokens, int64_t longest_source)
    : model_(model),
      device_(*model.device()),
      pre_norm_(model.config().pre_norm),
      sentences_(sentences),
      beam_(beam),
      positions_(positions),
      longest_source_(longest_source) {
  const int64_t width = 2 * model.config().embed_dim;
  const bool crossing = model.config().has_encoder();
  if (crossing) starts_ = device_.memory().empty({sentences + 1}, at::kInt);
  for (size_t i = 0; i < model.parameters().decoder.layers.size(); ++i) {
    if (crossing) memory_.push_back(device_.memory().empty({source_tokens, width}, model.type()));
    cache_.push_back(device_.memory().empty({positions, sentences * beam, width}, model.type()));
  }
}

DeviceDecoder::DeviceDecoder(const Transformer& model, int64_t rows, int64_t positions)
    : DeviceDecoder(model, rows, 1, positions, 0, 0) {}

int64_t DeviceDecoder::cache_bytes(const Transformer& model) {
  return int64_t(c10::elementSize(model.type())) * 2 * model.config().embed_dim * model.config().decoder_layers;
}

int64_t DeviceDecoder::most_cache_bytes(Device& device) {
  return std::max(kLeastCacheBytes, device.info().total_bytes / kCacheShare);
}

int64_t DeviceDecoder::most_positions(const ModelConfig& config) {
  return kMostSharedFloats - 8 * (config.embed_dim / config.heads + 4);
}

void DeviceDecoder::load(const Packed& sources) {
  std::vector<int32_t> starts = sources.offsets;
  starts.resize(size_t(sentences_ + 1), starts.back());
  device_.memory().upload(starts.data(), starts.size() * sizeof(int32_t), starts_);
  const at::Tensor encoded = model_.encode(sources);
  const auto& layers = model_.parameters().decoder.layers;
  for (size_t i = 0; i < layers.size(); ++i) {
    const Linear& key_value = layers[i].cross_attention.key_value;
    at::Tensor rows = memory_[i].narrow(0, 0, sources.size());
    linear_into(encoded, key_value, rows);
  }
}

at::Tensor DeviceDecoder::to_history(const at::Tensor& all, at::Tensor& cache, const DecoderRows& in_use) const {
  const int64_t heads = model_.config().heads, width = model_.config().embed_dim, rows = all.size(0);
  at::Tensor attended = new_tensor({rows, width}, all.scalar_type());
  dispatch_device(all, [&](auto zero) {
    using T = decltype(zero);
    const T* data = elements<T>(all);
    device_.kernels().layers<T>().decode_attention.to_history(
        {{data, mutable_elements<T>(attended), all.stride(0), rows, heads, width / heads, in_use.live},
         data + width,
         mutable_elements<T>(cache),
         in_use.ancestors,
         in_use.length,
         positions_},
        device_.stream());
  });
  return attended;
}

at::Tensor DeviceDecoder::to_source(const at::Tensor& query, const at::Tensor& key_value,
                                    const DecoderRows& in_use) const {
  const int64_t heads = model_.config().heads, width = model_.config().embed_dim, rows = query.size(0);
  at::Tensor attended = new_like(query);
  dispatch_device(query, [&](auto zero) {
    using T = decltype(zero);
    device_.kernels().layers<T>().decode_attention.to_source(
        {{elements<T>(query), mutable_elements<T>(attended), query.stride(0), rows, heads, width / heads, in_use.live},
         elements<T>(key_value),
         elements<int32_t>(starts_),
         beam_,
         longest_source_},
        device_.stream());
  });
  return attended;
}

State DeviceDecoder::add_and_norm(const at::Tensor& attended, const State& state, const Linear& out,
                                  const LayerNorm& norm) const {
  const Normed normed = dropout_residual_norm(linear(attended, out), pre_norm_ ? state.sum : state.normed,
                                              norm.gamma.value, norm.beta.value, Dropout{}, norm.epsilon);
  return {normed.normed, pre_norm_ ? normed.sum : at::Tensor()};
}

at::Tensor DeviceDecoder::states(const DecoderRows& rows, const at::Tensor& tokens, const at::Tensor& positions) {
  const Stack& stack = model_.parameters().decoder;
  const auto& layers = stack.layers;
  State now{embed_tokens(stack.embedding, tokens, positions), {}};
  if (pre_norm_) now = first_norm(nullptr, now.normed, layers.empty() ? stack.norm : layers[0].self_attention.norm);
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto& layer = layers[i];
    const bool crossing = !memory_.empty();
    const LayerNorm& last = i + 1 < layers.size() ? layers[i + 1].self_attention.norm : stack.norm;
    const LayerNorm& second = crossing ? layer.cross_attention.norm : layer.feed_forward.norm;
    const at::Tensor all = linear(now.normed, layer.self_attention.query_key_value);
    now = add_and_norm(to_history(all, cache_[i], rows), now, layer.self_attention.out,
                       pre_norm_ ? second : layer.self_attention.norm);
    if (crossing) {
      const at::Tensor query = linear(now.normed, layer.cross_attention.query);
      now = add_and_norm(to_source(query, memory_[i], rows), now, layer.cross_attention.out,
                         pre_norm_ ? layer.feed_forward.norm : layer.cross_attention.norm);
    }
    now = feed_forward(nullptr, now, layer.feed_forward, pre_norm_ ? last : layer.feed_forward.norm,
                       model_.config().activation, {}, {Kept::query_key_value_input});
  }
  return now.normed;
}

void DeviceDecoder::step(const DecoderRows& rows, const at::Tensor& tokens, const at::Tensor& positions,
                         at::Tensor& logits) {
  matrix_product(states(rows, tokens, positions), model_.parameters().output_projection.value.t(), 0, logits);
}

}  // namespace rdrop
