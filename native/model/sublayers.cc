// Forward and backward of the sub-layers.
#include "model/sublayers.h"

#include <utility>

#include "model/linear.h"
#include "model/tensors.h"
#include "ops/activation/activation.h"
#include "ops/dropout_residual_norm/dropout_residual_norm.h"
#include "ops/embedding/embedding.h"

namespace rdrop {
namespace {

/// Columns [i·D, (i+1)·D) of a fused projection.
at::Tensor part(const at::Tensor& fused, int64_t i, int64_t width) {
  return fused.narrow(1, i * width, width);
}

/// The end of a sub-layer, kept for its backward.
class ResidualNorm {
 public:
  /// Consumes the branch, which the sub-layer's last linear layer makes of `input`.
  ResidualNorm(const at::Tensor& input, const Linear& last, const State& state, const LayerNorm& norm,
               const Dropout& dropout)
      : norm_(&norm), dropout_(dropout), pre_norm_(state.sum.defined()) {
    const LinearWithDeferredBias branch = linear_with_deferred_bias(input, last);
    bias_gradient_ = branch.bias_gradient;
    normed_ = dropout_residual_norm(branch.product, pre_norm_ ? state.sum : state.normed, norm.gamma.value,
                                    norm.beta.value, dropout, branch.bias);
  }

  /// The state after the sub-layer; the normed state is given away, for its backward does without.
  State take_state() { return {std::exchange(normed_.normed, at::Tensor()), pre_norm_ ? normed_.sum : at::Tensor()}; }

  NormedGradients backward(const StateGradient& gradient) const {
    at::Tensor gamma = norm_->gamma.gradient, beta = norm_->beta.gradient;
    return dropout_residual_norm_backward(gradient.normed, gradient.sum, normed_, norm_->gamma.value, dropout_, gamma,
                                          beta, bias_gradient_);
  }

  /// The gradient of the sub-layer's input, whose first linear layer has `first_gradient`. In post-norm the residual is
  /// the normed state, so that both gradients meet there.
  StateGradient input_gradients(const Linear& first, const at::Tensor& first_gradient, at::Tensor residual) const {
    if (pre_norm_) return {input_gradient(first_gradient, first), residual};
    add_input_gradient(first_gradient, first, residual);
    return {residual, at::Tensor()};
  }

 private:
  const LayerNorm* norm_;
  Dropout dropout_;
  bool pre_norm_;
  at::Tensor bias_gradient_;  // of the last linear layer
  Normed normed_;
};

}  // namespace

at::Tensor embed(Tape* tape, const Weight& table, const at::Tensor& sinusoids, const Sequences& sequences,
                 const Dropout& dropout) {
  if (tape) {
    tape->push([&table, &sequences, dropout](const StateGradient& gradient) {
      at::Tensor table_gradient = table.gradient;
      embedding_backward(gradient.normed, sequences.tokens, sequences.groups, dropout, table_gradient);
      return StateGradient{};
    });
  }
  return embedding(table.value, sinusoids, sequences.tokens, sequences.positions, dropout);
}

State first_norm(Tape* tape, const at::Tensor& input, const LayerNorm& norm) {
  Normed normed = dropout_residual_norm(input, at::Tensor(), norm.gamma.value, norm.beta.value, Dropout{});
  const State state{std::exchange(normed.normed, at::Tensor()), normed.sum};
  if (tape) {
    tape->push([normed, &norm](const StateGradient& gradient) {
      at::Tensor gamma = norm.gamma.gradient, beta = norm.beta.gradient;
      return StateGradient{dropout_residual_norm_backward(gradient.normed, gradient.sum, normed, norm.gamma.value,
                                                          Dropout{}, gamma, beta)
                               .residual,
                           at::Tensor()};
    });
  }
  return state;
}

State self_attention(Tape* tape, const State& state, const SelfAttention& weights, const LayerNorm& norm,
                     const AttentionShape& shape, const SublayerDropout& dropout) {
  const int64_t d = state.normed.size(1);
  const at::Tensor all = linear(state.normed, weights.query_key_value);
  at::Tensor attended = new_like(state.normed);
  const AttentionInputs inputs{part(all, 0, d), part(all, 1, d), part(all, 2, d), shape, dropout.inner};
  const AttentionSaved saved = attention(inputs, attended);
  ResidualNorm residual_norm(attended, weights.out, state, norm, dropout.branch);
  const State result = residual_norm.take_state();
  if (tape) {
    tape->push([=, &weights, input = state.normed](const StateGradient& gradient) {
      const NormedGradients end = residual_norm.backward(gradient);
      linear_backward_without_bias(end.branch, attended, weights.out);
      const at::Tensor attended_gradient = input_gradient(end.branch, weights.out);
      const at::Tensor all_gradient = new_like(all);
      AttentionGradients gradients{part(all_gradient, 0, d), part(all_gradient, 1, d), part(all_gradient, 2, d)};
      attention_backward(inputs, saved, attended_gradient, gradients);
      linear_backward(all_gradient, input, weights.query_key_value);
      return residual_norm.input_gradients(weights.query_key_value, all_gradient, end.residual);
    });
  }
  return result;
}

State cross_attention(Tape* tape, const State& state, const at::Tensor& memory, at::Tensor* memory_gradient,
                      const CrossAttention& weights, const LayerNorm& norm, const AttentionShape& shape,
                      const SublayerDropout& dropout) {
  const int64_t d = state.normed.size(1);
  const at::Tensor query = linear(state.normed, weights.query);
  const at::Tensor key_value = linear(memory, weights.key_value);
  at::Tensor attended = new_like(state.normed);
  const AttentionInputs inputs{query, part(key_value, 0, d), part(key_value, 1, d), shape, dropout.inner};
  const AttentionSaved saved = attention(inputs, attended);
  ResidualNorm residual_norm(attended, weights.out, state, norm, dropout.branch);
  const State result = residual_norm.take_state();
  if (tape) {
    tape->push([=, &weights, input = state.normed](const StateGradient& gradient) {
      const NormedGradients end = residual_norm.backward(gradient);
      linear_backward_without_bias(end.branch, attended, weights.out);
      const at::Tensor attended_gradient = input_gradient(end.branch, weights.out);
      const at::Tensor query_gradient = new_like(query), key_value_gradient = new_like(key_value);
      AttentionGradients gradients{query_gradient, part(key_value_gradient, 0, d), part(key_value_gradient, 1, d)};
      attention_backward(inputs, saved, attended_gradient, gradients);
      linear_backward(key_value_gradient, memory, weights.key_value);
      linear_backward(query_gradient, input, weights.query);
      if (memory_gradient->defined()) {
        add_input_gradient(key_value_gradient, weights.key_value, *memory_gradient);
      } else {
        *memory_gradient = input_gradient(key_value_gradient, weights.key_value);
      }
      return residual_norm.input_gradients(weights.query, query_gradient, end.residual);
    });
  }
  return result;
}

State feed_forward(Tape* tape, const State& state, const FeedForward& weights, const LayerNorm& norm,
                   Activation activation_kind, const SublayerDropout& dropout) {
  const LinearWithDeferredBias before = linear_with_deferred_bias(state.normed, weights.fc1);
  const at::Tensor hidden = activation(before.product, activation_kind, dropout.inner, before.bias);
  ResidualNorm residual_norm(hidden, weights.fc2, state, norm, dropout.branch);
  const State result = residual_norm.take_state();
  if (tape) {
    const at::Tensor kept = activation_kind == Activation::gelu ? before.product : hidden;
    tape->push([=, &weights, input = state.normed, inner = dropout.inner, bias = before.bias,
                bias_gradient = before.bias_gradient](const StateGradient& gradient) {
      const NormedGradients end = residual_norm.backward(gradient);
      linear_backward_without_bias(end.branch, hidden, weights.fc2);
      at::Tensor hidden_gradient = input_gradient(end.branch, weights.fc2);
      activation_backward(kept, hidden_gradient, activation_kind, inner, bias, bias_gradient);
      linear_backward_without_bias(hidden_gradient, input, weights.fc1);
      return residual_norm.input_gradients(weights.fc1, hidden_gradient, end.residual);
    });
  }
  return result;
}

}  // namespace rdrop
