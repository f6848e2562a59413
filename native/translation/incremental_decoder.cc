// The forward pass of the decoder for one more token a row; see transformer.cc for the whole sequence at
// once.
#include "translation/incremental_decoder.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>

#include "model/linear.h"
#include "model/stack/input.h"
#include "model/tensors.h"
#include "ops/activation/activation.h"
#include "ops/cached_attention/cached_attention.h"
#include "core/dispatch.h"
#include "ops/dropout_residual_norm/dropout_residual_norm.h"

namespace rdrop {
namespace {

constexpr int64_t kFirstCapacity = 32;

/// The end of a sub-layer: residual and norm.
State add_and_norm(const at::Tensor& branch, const State& state, const LayerNorm& norm, bool pre_norm) {
  const Normed normed = dropout_residual_norm(branch, pre_norm ? state.sum : state.normed, norm.gamma.value,
                                              norm.beta.value, Dropout{}, norm.epsilon);
  return {normed.normed, pre_norm ? normed.sum : at::Tensor()};
}

/// The first rows of a tensor that is kept, made anew where it has too few.
at::Tensor first_rows(at::Tensor& kept, int64_t rows, int64_t columns, const at::TensorOptions& options) {
  if (!kept.defined() || kept.size(0) < rows) kept = at::empty({rows, columns}, options);
  return kept.narrow(0, 0, rows);
}

}  // namespace

IncrementalDecoder::IncrementalDecoder(const Transformer& model, DecoderMemory& memory)
    : model_(model),
      memory_(memory),
      pre_norm_(model.config().pre_norm),
      history_(model.parameters().decoder.layers.size()),
      ancestor_stride_(kFirstCapacity) {
  memory_.projected.resize(history_.size());
}

IncrementalDecoder::IncrementalDecoder(const Transformer& model, const Packed& sources, DecoderMemory& memory)
    : IncrementalDecoder(model, memory) {
  source_offsets_ = sources.offsets;
  const at::Tensor encoded = model.encode(sources);
  for (const Layer& layer : model.parameters().decoder.layers) {
    sources_.push_back(linear(encoded, layer.cross_attention.key_value));
  }
}

void IncrementalDecoder::reorder(const std::vector<int32_t>& parents, int64_t rows) {
  const int64_t stride = length_ < ancestor_stride_ ? ancestor_stride_ : 2 * ancestor_stride_;
  next_ancestors_.resize(rows * stride);
  for (int64_t row = 0; row < rows; ++row) {
    int32_t* to = next_ancestors_.data() + row * stride;
    if (length_ > 0) std::copy_n(ancestors_.data() + parents[row] * ancestor_stride_, length_, to);
    to[length_] = int32_t(row);
  }
  ancestors_.swap(next_ancestors_);
  ancestor_stride_ = stride;
}

State IncrementalDecoder::self_attention(const State& state, const SelfAttention& weights, const LayerNorm& norm,
                                         size_t layer) {
  const int64_t rows = state.normed.size(0), d = state.normed.size(1);
  std::vector<at::Tensor>& kept = memory_.projected[layer];
  if (int64_t(kept.size()) == length_) kept.emplace_back();
  at::Tensor all = first_rows(kept[length_], rows, 3 * d, state.normed.options());
  const Linear& projection = weights.query_key_value;
  memory_.weights.linear_into(state.normed, projection, all);
  history_[layer].push_back(all.narrow(1, d, 2 * d));
  at::Tensor attended = new_like(state.normed);
  attention_to_history(all.narrow(1, 0, d), history_[layer], ancestors_, ancestor_stride_, model_.config().heads,
                       attended);
  return add_and_norm(memory_.weights.linear(attended, weights.out), state, norm, pre_norm_);
}

State IncrementalDecoder::cross_attention(const State& state, const CrossAttention& weights, const LayerNorm& norm,
                                          const at::Tensor& key_value) const {
  at::Tensor attended = new_like(state.normed);
  attention_to_source(memory_.weights.linear(state.normed, weights.query), key_value, source_begin_, source_end_,
                      model_.config().heads, attended);
  return add_and_norm(memory_.weights.linear(attended, weights.out), state, norm, pre_norm_);
}

State IncrementalDecoder::feed_forward(const State& state, const FeedForward& weights, const LayerNorm& norm) const {
  const at::Tensor hidden =
      activation(memory_.weights.linear(state.normed, weights.fc1), model_.config().activation, Dropout{});
  return add_and_norm(memory_.weights.linear(hidden, weights.fc2), state, norm, pre_norm_);
}

at::Tensor IncrementalDecoder::states(const std::vector<int32_t>& tokens, const std::vector<int32_t>& sentences,
                                      const std::vector<int32_t>& parents) {
  const int64_t rows = int64_t(tokens.size());
  reorder(parents, rows);
  source_begin_.clear();
  source_end_.clear();
  for (const int32_t sentence : sentences) {
    source_begin_.push_back(source_offsets_[sentence]);
    source_end_.push_back(source_offsets_[sentence + 1]);
  }
  const at::Tensor positions = at::full({rows}, int64_t(kPad + 1 + length_), at::TensorOptions(at::kInt));
  const Stack& stack = model_.parameters().decoder;
  State state{embed_tokens(stack.embedding, int_tensor(tokens), positions), {}};
  const auto& layers = stack.layers;
  if (pre_norm_) {
    const LayerNorm& first = layers.empty() ? stack.norm : layers[0].self_attention.norm;
    state = {dropout_residual_norm(state.normed.clone(), at::Tensor(), first.gamma.value, first.beta.value, Dropout{},
                                   first.epsilon)
                 .normed,
             state.normed};
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto& layer = layers[i];
    const LayerNorm& last = i + 1 < layers.size() ? layers[i + 1].self_attention.norm : stack.norm;
    const bool crossing = !sources_.empty();
    const LayerNorm& second = crossing ? layer.cross_attention.norm : layer.feed_forward.norm;
    state = self_attention(state, layer.self_attention, pre_norm_ ? second : layer.self_attention.norm, i);
    if (crossing) {
      state = cross_attention(state, layer.cross_attention,
                              pre_norm_ ? layer.feed_forward.norm : layer.cross_attention.norm, sources_[i]);
    }
    state = feed_forward(state, layer.feed_forward, pre_norm_ ? last : layer.feed_forward.norm);
  }
  ++length_;
  return state.normed;
}

at::Tensor IncrementalDecoder::step(const std::vector<int32_t>& tokens, const std::vector<int32_t>& sentences,
                                    const std::vector<int32_t>& parents) {
  const at::Tensor last = states(tokens, sentences, parents);
  const at::Tensor& projection = model_.parameters().output_projection.value;
  // Not rounded to bfloat16, where too many would be equal.
  const auto options = last.options().dtype(wide_type(last.scalar_type()));
  at::Tensor logits = first_rows(memory_.logits, last.size(0), projection.size(0), options);
  memory_.weights.product_into(last, projection, logits);
  return logits;
}

}  // namespace rdrop
