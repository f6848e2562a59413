// See first_tokens.h.
#include "model/stack/first_tokens.h"

#include <numeric>

#include "model/linear.h"
#include "model/stack/residual_norm.h"
#include "model/tensors.h"
#include "ops/pooling/pooling.h"

namespace rdrop {
namespace {

/// Outputs [begin, begin + count) of a linear layer.
Linear outputs_of(const Linear& layer, int64_t begin, int64_t count) {
  const auto rows = [&](const at::Tensor& all) { return all.defined() ? all.narrow(0, begin, count) : all; };
  const auto slice = [&](const Weight& all) { return Weight{rows(all.value), rows(all.gradient)}; };
  return {slice(layer.weight), slice(layer.bias)};
}

}  // namespace

FirstTokens::FirstTokens(const Sequences& sequences, int64_t heads)
    : sequences_(&sequences), shape_(attention_shape(sequences, sequences, heads, false)) {
  std::iota(shape_.query_offsets.begin(), shape_.query_offsets.end(), 0);
}

SublayerDropout FirstTokens::dropout_of(const SublayerDropout& all) const {
  SublayerDropout few = all;
  few.branch.stream.rows = few.inner.stream.rows = sequences_->offsets.data();
  return few;
}

State FirstTokens::attend(Tape* tape, const State& state, const SelfAttention& weights, const LayerNorm& norm,
                          const SublayerDropout& dropout_of_all) const {
  const SublayerDropout dropout = dropout_of(dropout_of_all);
  const at::Tensor& starts = sequences_->starts;
  const int64_t rows = state.normed.size(0), d = state.normed.size(1);
  const auto first_of = [&](const at::Tensor& x) { return x.defined() ? pooling(x, starts, Pooling::first) : x; };
  const State own{first_of(state.normed), first_of(state.sum)};
  const Linear to_query = outputs_of(weights.query_key_value, 0, d);
  const Linear to_key_value = outputs_of(weights.query_key_value, d, 2 * d);
  const at::Tensor query = linear(own.normed, to_query), key_value = linear(state.normed, to_key_value);
  at::Tensor attended = new_like(own.normed);
  const AttentionInputs inputs{query, part(key_value, 0, d), part(key_value, 1, d), shape_, dropout.inner};
  const AttentionSaved saved = attention(inputs, attended);
  ResidualNorm end({}, attended, weights.out, own, norm, dropout.branch, {Kept::fc1_input});
  const State result = end.take_state();
  if (!tape) return result;
  tape->push([=, &weights, all = state.normed](const StateGradient& gradient) {
    const NormedGradients last = end.backward(gradient, Kept::out_gradient);
    linear_backward_without_bias(last.branch, attended, weights.out);
    const at::Tensor attended_gradient = input_gradient(last.branch, weights.out);
    const at::Tensor query_gradient = new_like(query), key_value_gradient = new_like(key_value);
    AttentionGradients gradients{query_gradient, part(key_value_gradient, 0, d), part(key_value_gradient, 1, d)};
    attention_backward(inputs, saved, attended_gradient, gradients);
    linear_backward(query_gradient, own.normed, to_query);
    linear_backward(key_value_gradient, all, to_key_value);
    // Rows that are nobody's first token have a gradient through keys and values alone.
    const auto among_all = [&](const at::Tensor& x) {
      return x.defined() ? pooling_backward(x, starts, rows, Pooling::first) : x;
    };
    const StateGradient few = end.input_gradients(to_query, query_gradient, last.residual);
    at::Tensor normed = among_all(few.normed);
    add_input_gradient(key_value_gradient, to_key_value, normed);
    return StateGradient{normed, among_all(few.sum)};
  });
  return result;
}

}  // namespace rdrop
