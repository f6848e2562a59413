// The forward pass of the decoder for one more token a row; see transformer.cc for the whole sequence at
// once.
#include "decode/incremental_decoder.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>

#include <cstring>
#include <numeric>

#include "model/linear.h"
#include "model/tensors.h"
#include "ops/activation.h"
#include "ops/dispatch.h"
#include "ops/dropout_residual_norm.h"
#include "ops/embedding.h"

namespace rdrop {
namespace {

constexpr int64_t kFirstCapacity = 32;

/// The end of a sub-layer: residual and norm.
State add_and_norm(const at::Tensor& branch, const State& state, const LayerNorm& norm, bool pre_norm) {
  const Normed normed =
      dropout_residual_norm(branch, pre_norm ? state.sum : state.normed, norm.gamma.value, norm.beta.value, Dropout{});
  return {normed.normed, pre_norm ? normed.sum : at::Tensor()};
}

/// One query a row.
std::vector<int32_t> row_offsets(int64_t rows) {
  std::vector<int32_t> offsets(rows + 1);
  std::iota(offsets.begin(), offsets.end(), 0);
  return offsets;
}

}  // namespace

IncrementalDecoder::IncrementalDecoder(const Transformer& model, const Packed& sources)
    : model_(model), pre_norm_(model.config().pre_norm), source_offsets_(sources.offsets) {
  const at::Tensor encoded = model.encode(sources);
  for (const auto& layer : model.parameters().decoder) {
    memory_.push_back(linear(encoded, layer.cross_attention.key_value));
    cache_.push_back(at::empty({0, kFirstCapacity, 2 * model.config().embed_dim}, encoded.options()));
  }
}

void IncrementalDecoder::reorder(const std::vector<int32_t>& parents, int64_t rows) {
  for (at::Tensor& cache : cache_) {
    const int64_t capacity = cache.size(1), width = cache.size(2);
    const int64_t next_capacity = length_ < capacity ? capacity : 2 * capacity;
    at::Tensor next = at::empty({rows, next_capacity, width}, cache.options());
    const int64_t element = cache.element_size();
    const char* from = static_cast<const char*>(cache.const_data_ptr());
    char* to = static_cast<char*>(next.mutable_data_ptr());
    at::parallel_for(0, length_ > 0 ? rows : 0, 16, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        std::memcpy(to + row * next_capacity * width * element, from + parents[row] * capacity * width * element,
                    length_ * width * element);
      }
    });
    cache = next;
  }
}

State IncrementalDecoder::self_attention(const State& state, const SelfAttention& weights, const LayerNorm& norm,
                                         at::Tensor& cache) {
  const int64_t rows = state.normed.size(0), d = state.normed.size(1), capacity = cache.size(1);
  const at::Tensor all = linear(state.normed, weights.query_key_value);
  cache.select(1, length_).copy_(all.narrow(1, d, 2 * d));
  AttentionShape shape;
  shape.query_offsets = row_offsets(rows);
  shape.heads = model_.config().heads;
  for (int64_t row = 0; row < rows; ++row) {
    shape.key_begin.push_back(int32_t(row * capacity));
    shape.key_end.push_back(int32_t(row * capacity + length_ + 1));
  }
  const at::Tensor keys = cache.view({rows * capacity, 2 * d});
  at::Tensor attended = at::empty_like(state.normed);
  attention(all.narrow(1, 0, d), keys.narrow(1, 0, d), keys.narrow(1, d, d), shape, Dropout{}, attended);
  return add_and_norm(linear(attended, weights.out), state, norm, pre_norm_);
}

State IncrementalDecoder::cross_attention(const State& state, const CrossAttention& weights, const LayerNorm& norm,
                                          const at::Tensor& key_value, const AttentionShape& shape) const {
  const int64_t d = state.normed.size(1);
  at::Tensor attended = at::empty_like(state.normed);
  attention(linear(state.normed, weights.query), key_value.narrow(1, 0, d), key_value.narrow(1, d, d), shape, Dropout{},
            attended);
  return add_and_norm(linear(attended, weights.out), state, norm, pre_norm_);
}

State IncrementalDecoder::feed_forward(const State& state, const FeedForward& weights, const LayerNorm& norm) const {
  const at::Tensor hidden = activation(linear(state.normed, weights.fc1), model_.config().activation, Dropout{});
  return add_and_norm(linear(hidden, weights.fc2), state, norm, pre_norm_);
}

at::Tensor IncrementalDecoder::step(const std::vector<int32_t>& tokens, const std::vector<int32_t>& sentences,
                                    const std::vector<int32_t>& parents) {
  const Parameters& parameters = model_.parameters();
  const int64_t rows = int64_t(tokens.size());
  reorder(parents, rows);
  AttentionShape to_source;
  to_source.query_offsets = row_offsets(rows);
  to_source.heads = model_.config().heads;
  for (const int32_t sentence : sentences) {
    to_source.key_begin.push_back(source_offsets_[sentence]);
    to_source.key_end.push_back(source_offsets_[sentence + 1]);
  }
  const at::Tensor positions = at::full({rows}, int64_t(kPad + 1 + length_), at::TensorOptions(at::kInt));
  State state{
      embedding(parameters.target_embedding.value, model_.sinusoids(), int_tensor(tokens), positions, Dropout{}), {}};
  const auto& layers = parameters.decoder;
  if (pre_norm_) {
    const LayerNorm& first = layers.empty() ? parameters.decoder_norm : layers[0].self_attention.norm;
    state = {dropout_residual_norm(state.normed.clone(), at::Tensor(), first.gamma.value, first.beta.value, Dropout{})
                 .normed,
             state.normed};
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto& layer = layers[i];
    const LayerNorm& last = i + 1 < layers.size() ? layers[i + 1].self_attention.norm : parameters.decoder_norm;
    state = self_attention(state, layer.self_attention,
                           pre_norm_ ? layer.cross_attention.norm : layer.self_attention.norm, cache_[i]);
    state = cross_attention(state, layer.cross_attention,
                            pre_norm_ ? layer.feed_forward.norm : layer.cross_attention.norm, memory_[i], to_source);
    state = feed_forward(state, layer.feed_forward, pre_norm_ ? last : layer.feed_forward.norm);
  }
  ++length_;
  const at::Tensor logits = at::mm(state.normed, parameters.output_projection.value.t());
  return logits.to(wide_type(logits.scalar_type()));
}

}  // namespace rdrop
