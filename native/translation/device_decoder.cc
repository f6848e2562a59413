// See device_decoder.h.
#include "translation/device_decoder.h"

#include "device/device.h"
#include "device/dispatch.h"
#include "model/linear.h"
#include "model/stack/input.h"
#include "model/tensors.h"
#include "ops/dropout_residual_norm/dropout_residual_norm.h"
#include "ops/decode_attention/decode_attention_kernel.h"

namespace rdrop {

DeviceDecoder::DeviceDecoder(const Transformer& model, int64_t sentences, int64_t beam, int64_t positions,
                             int64_t source_tokens, int64_t longest_source)
    : model_(model),
      device_(*model.device()),
      pre_norm_(model.config().pre_norm),
      sentences_(sentences),
      longest_source_(longest_source),
      starts_(device_.memory().empty({sentences + 1}, at::kInt)) {
  const int64_t width = 2 * model.config().embed_dim;
  for (size_t i = 0; i < model.parameters().decoder.layers.size(); ++i) {
    memory_.push_back(device_.memory().empty({source_tokens, width}, model.type()));
    cache_.push_back(device_.memory().empty({positions, sentences * beam, width}, model.type()));
  }
}

int64_t DeviceDecoder::cache_bytes(const Transformer& model) {
  return int64_t(c10::elementSize(model.type())) * 2 * model.config().embed_dim * model.config().decoder_layers;
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

at::Tensor DeviceDecoder::to_history(const at::Tensor& all, at::Tensor& cache, const BeamSearchState& state) const {
  const int64_t heads = model_.config().heads, width = model_.config().embed_dim, rows = all.size(0);
  at::Tensor attended = new_tensor({rows, width}, all.scalar_type());
  dispatch_device(all, [&](auto zero) {
    using T = decltype(zero);
    const T* data = elements<T>(all);
    device_.kernels().layers<T>().decode_attention.to_history(
        {{data, mutable_elements<T>(attended), all.stride(0), rows, heads, width / heads, state.live},
         data + width,
         mutable_elements<T>(cache),
         state.ancestors,
         state.length,
         state.capacity},
        device_.stream());
  });
  return attended;
}

at::Tensor DeviceDecoder::to_source(const at::Tensor& query, const at::Tensor& key_value,
                                    const BeamSearchState& state) const {
  const int64_t heads = model_.config().heads, width = model_.config().embed_dim, rows = query.size(0);
  at::Tensor attended = new_like(query);
  dispatch_device(query, [&](auto zero) {
    using T = decltype(zero);
    device_.kernels().layers<T>().decode_attention.to_source(
        {{elements<T>(query), mutable_elements<T>(attended), query.stride(0), rows, heads, width / heads, state.live},
         elements<T>(key_value),
         elements<int32_t>(starts_),
         state.beam,
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

void DeviceDecoder::step(const BeamSearchState& state, const at::Tensor& tokens, const at::Tensor& positions,
                         at::Tensor& logits) {
  const Parameters& parameters = model_.parameters();
  const Stack& stack = parameters.decoder;
  const auto& layers = stack.layers;
  State now{embed_tokens(stack.embedding, tokens, positions), {}};
  if (pre_norm_) now = first_norm(nullptr, now.normed, layers.empty() ? stack.norm : layers[0].self_attention.norm);
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto& layer = layers[i];
    const LayerNorm& last = i + 1 < layers.size() ? layers[i + 1].self_attention.norm : stack.norm;
    const at::Tensor all = linear(now.normed, layer.self_attention.query_key_value);
    now = add_and_norm(to_history(all, cache_[i], state), now, layer.self_attention.out,
                       pre_norm_ ? layer.cross_attention.norm : layer.self_attention.norm);
    const at::Tensor query = linear(now.normed, layer.cross_attention.query);
    now = add_and_norm(to_source(query, memory_[i], state), now, layer.cross_attention.out,
                       pre_norm_ ? layer.feed_forward.norm : layer.cross_attention.norm);
    now = feed_forward(nullptr, now, layer.feed_forward, pre_norm_ ? last : layer.feed_forward.norm,
                       model_.config().activation, {}, {Kept::query_key_value_input});
  }
  matrix_product(now.normed, parameters.output_projection.value.t(), 0, logits);
}

}  // namespace rdrop
