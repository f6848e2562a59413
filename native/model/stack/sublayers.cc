// Forward and backward of the sub-layers.
#include "model/stack/sublayers.h"

#include <utility>

#include "device/device.h"
#include "model/linear.h"
#include "model/stack/place.h"
#include "model/stack/residual_norm.h"
#include "model/tensors.h"
#include "ops/activation/activation.h"

namespace rdrop {
namespace {

/// Adds the gradient of a layer's weight. On a device the bias is no concern of it; on the CPU as
/// linear_backward_without_bias().
void weight_backward(const LayerPlace& place, Kept which, const at::Tensor& gradient, const at::Tensor& x,
                     const Linear& layer) {
  if (!place.gradients) return linear_backward_without_bias(gradient, x, layer);
  place.gradients->weight(which, gradient, x, layer.weight.gradient);
}

/// As linear_backward().
void weight_and_bias_backward(const LayerPlace& place, Kept which, const at::Tensor& gradient, const at::Tensor& x,
                              const Linear& layer) {
  if (!place.gradients) return linear_backward(gradient, x, layer);
  place.gradients->weight(which, gradient, x, layer.weight.gradient);
  place.gradients->bias(gradient, layer.bias.gradient);
}

/// The gradient of a linear layer's input in memory of its place.
at::Tensor input_gradient_at(const LayerPlace& place, Kept kept, const at::Tensor& gradient, const Linear& layer) {
  if (!place.gradients) return input_gradient(gradient, layer);
  at::Tensor result = take(place, kept, gradient.size(0), layer.weight.value.size(1), gradient.scalar_type());
  matrix_product(gradient, layer.weight.value, 0, result);
  return result;
}

}  // namespace

State first_norm(Tape* tape, const at::Tensor& input, const LayerNorm& norm) {
  const LayerPlace place = place_of(tape);
  Normed normed = norm_of(place, Kept::query_key_value_input, input, norm);
  const State state{std::exchange(normed.normed, at::Tensor()), normed.sum};
  if (tape) {
    tape->push([normed, &norm, place](const StateGradient& gradient) {
      return StateGradient{norm_of_backward(place, gradient, normed, norm), at::Tensor()};
    });
  }
  return state;
}

State self_attention(Tape* tape, const State& state, const SelfAttention& weights, const LayerNorm& norm,
                     const AttentionShape& shape, const SublayerDropout& dropout, Next next) {
  const LayerPlace place = place_of(tape);
  const int64_t d = state.normed.size(1);
  const at::Tensor all = linear(state.normed, weights.query_key_value);
  at::Tensor attended = take_like(place, Kept::out_input, state.normed);
  const AttentionInputs inputs{part(all, 0, d), part(all, 1, d), part(all, 2, d), shape, dropout.inner};
  const AttentionSaved saved = attention(inputs, attended);
  ResidualNorm residual_norm(place, attended, weights.out, state, norm, dropout.branch, next);
  const State result = residual_norm.take_state();
  if (tape) {
    tape->push([=, &weights, input = state.normed](const StateGradient& gradient) {
      const NormedGradients end = residual_norm.backward(gradient, Kept::out_gradient);
      weight_backward(place, Kept::out_gradient, end.branch, attended, weights.out);
      const at::Tensor attended_gradient = input_gradient(end.branch, weights.out);
      const at::Tensor all_gradient = take_like(place, Kept::query_key_value_gradient, all);
      AttentionGradients gradients{part(all_gradient, 0, d), part(all_gradient, 1, d), part(all_gradient, 2, d)};
      attention_backward(inputs, saved, attended_gradient, gradients);
      weight_and_bias_backward(place, Kept::query_key_value_gradient, all_gradient, input, weights.query_key_value);
      return residual_norm.input_gradients(weights.query_key_value, all_gradient, end.residual);
    });
  }
  return result;
}

SourceMemory source_memory(Tape* tape, const at::Tensor& states, at::Tensor* gradient, const Linear& weights) {
  if (!current_device() || !weights.weight.value.defined()) return {states, gradient, nullptr};
  const auto keys = std::make_shared<SourceKeys>();
  keys->all = linear(states, weights);
  if (tape) {
    tape->push([place = place_of(tape), states, gradient, keys, &weights](const StateGradient& through) {
      at::Tensor weight = weights.weight.gradient;
      place.gradients->bias(keys->gradient, weights.bias.gradient);
      matrix_product(keys->gradient.t(), states, place.gradients->weight_of_old(weight), weight);
      *gradient = input_gradient(keys->gradient, weights);
      return through;
    });
  }
  return {states, gradient, keys};
}

State cross_attention(Tape* tape, const State& state, const SourceMemory& memory, int64_t layer,
                      const CrossAttention& weights, const LayerNorm& norm, const AttentionShape& shape,
                      const SublayerDropout& dropout, Next next) {
  const LayerPlace place = place_of(tape);
  const int64_t d = state.normed.size(1);
  const at::Tensor query = linear(state.normed, weights.query);
  const at::Tensor key_value =
      memory.keys ? part(memory.keys->all, layer, 2 * d) : linear(memory.states, weights.key_value);
  at::Tensor attended = take_like(place, Kept::source_out_input, state.normed);
  const AttentionInputs inputs{query, part(key_value, 0, d), part(key_value, 1, d), shape, dropout.inner};
  const AttentionSaved saved = attention(inputs, attended);
  ResidualNorm residual_norm(place, attended, weights.out, state, norm, dropout.branch, next);
  const State result = residual_norm.take_state();
  if (tape) {
    tape->push([=, &weights, input = state.normed](const StateGradient& gradient) {
      const NormedGradients end = residual_norm.backward(gradient, Kept::source_out_gradient);
      weight_backward(place, Kept::source_out_gradient, end.branch, attended, weights.out);
      const at::Tensor attended_gradient = input_gradient(end.branch, weights.out);
      const at::Tensor query_gradient = take_like(place, Kept::source_query_gradient, query);
      if (memory.keys && !memory.keys->gradient.defined()) memory.keys->gradient = new_like(memory.keys->all);
      const at::Tensor key_value_gradient =
          memory.keys ? part(memory.keys->gradient, layer, 2 * d) : new_like(key_value);
      AttentionGradients gradients{query_gradient, part(key_value_gradient, 0, d), part(key_value_gradient, 1, d)};
      attention_backward(inputs, saved, attended_gradient, gradients);
      if (!memory.keys) {
        linear_backward(key_value_gradient, memory.states, weights.key_value);
      }
      weight_and_bias_backward(place, Kept::source_query_gradient, query_gradient, input, weights.query);
      if (memory.keys) {
        // source_memory() does the rest for all layers.
      } else if (memory.gradient->defined()) {
        add_input_gradient(key_value_gradient, weights.key_value, *memory.gradient);
      } else {
        *memory.gradient = input_gradient(key_value_gradient, weights.key_value);
      }
      return residual_norm.input_gradients(weights.query, query_gradient, end.residual);
    });
  }
  return result;
}

namespace {

/// The hidden state of a feed-forward layer and what its backward pass needs besides.
struct Hidden {
  at::Tensor state;          // [R,F] after activation and dropout
  at::Tensor kept;           // [R,F] for the activation's backward
  at::Tensor bias;           // of fc1, on the CPU
  at::Tensor bias_gradient;  // likewise
};

Hidden hidden_of(const LayerPlace& place, const at::Tensor& x, const Linear& fc1, Activation kind,
                 const Dropout& dropout) {
  if (Device* device = current_device()) {
    const at::Tensor memory = take(place, Kept::fc2_input, x.size(0), fc1.weight.value.size(0), x.scalar_type());
    if (kind == Activation::relu) {
      at::Tensor state = memory;
      device->products().multiply(x, fc1.weight.value.t(), state, {0, fc1.bias.value, true, current_tf32()});
      if (dropout.p > 0) state = activation_on(*device, state, kind, dropout);
      return {state, state, {}, {}};
    }
    const at::Tensor before = linear(x, fc1);
    return {activation_on(*device, before, kind, dropout, memory), before, {}, {}};
  }
  const LinearWithDeferredBias before = linear_with_deferred_bias(x, fc1);
  const at::Tensor state = activation(before.product, kind, dropout, before.bias);
  return {state, in_place(kind) ? state : before.product, before.bias, before.bias_gradient};
}

}  // namespace

State feed_forward(Tape* tape, const State& state, const FeedForward& weights, const LayerNorm& norm,
                   Activation activation_kind, const SublayerDropout& dropout, Next next) {
  const LayerPlace place = place_of(tape);
  const Hidden hidden = hidden_of(place, state.normed, weights.fc1, activation_kind, dropout.inner);
  ResidualNorm residual_norm(place, hidden.state, weights.fc2, state, norm, dropout.branch, next);
  const State result = residual_norm.take_state();
  if (tape) {
    tape->push([=, &weights, input = state.normed, inner = dropout.inner](const StateGradient& gradient) {
      const NormedGradients end = residual_norm.backward(gradient, Kept::fc2_gradient);
      weight_backward(place, Kept::fc2_gradient, end.branch, hidden.state, weights.fc2);
      at::Tensor hidden_gradient = input_gradient_at(place, Kept::fc1_gradient, end.branch, weights.fc2);
      if (place.gradients) {
        place.gradients->partial_sums(
            activation_backward_on(*current_device(), hidden.kept, hidden_gradient, activation_kind, inner),
            weights.fc1.bias.gradient);
      } else {
        activation_backward(hidden.kept, hidden_gradient, activation_kind, inner, hidden.bias, hidden.bias_gradient);
      }
      weight_backward(place, Kept::fc1_gradient, hidden_gradient, input, weights.fc1);
      return residual_norm.input_gradients(weights.fc1, hidden_gradient, end.residual);
    });
  }
  return result;
}

}  // namespace rdrop
