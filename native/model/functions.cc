// Forward and backward of the sub-layers; see tape.h for what a node keeps.
#include "model/functions.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

#include <optional>

#include "model/tape.h"
#include "ops/activation.h"
#include "ops/dropout_residual_norm.h"
#include "ops/embedding.h"

namespace rdrop {
namespace {

at::Tensor linear(const at::Tensor& x, const Linear& layer) {
  return at::addmm(layer.bias.value, x, layer.weight.value.t());
}

/// Adds the gradients of weight and bias; the gradient of x is left to the caller.
void linear_backward(const at::Tensor& gradient, const at::Tensor& x, const Linear& layer) {
  at::Tensor weight = layer.weight.gradient, bias = layer.bias.gradient;
  at::addmm_out(weight, weight, gradient.t(), x);
  bias.add_(at::sum(gradient, {0}));
}

at::Tensor input_gradient(const at::Tensor& gradient, const Linear& layer) {
  return at::mm(gradient, layer.weight.value);
}

/// The end of a sub-layer, kept for its backward.
struct Ending {
  Normed normed;
  LayerNorm norm;
  Dropout dropout;

  State begin(const at::Tensor& branch, const State& state, bool pre_norm) {
    normed =
        dropout_residual_norm(branch, pre_norm ? state.sum : state.normed, norm.gamma.value, norm.beta.value, dropout);
    // The output must not be held by the node that makes it.
    return {std::exchange(normed.normed, at::Tensor()), normed.sum};
  }

  NormedGradients backward(const at::Tensor& normed_gradient, const at::Tensor& sum_gradient) {
    const at::Tensor sums = sum_gradient.defined() ? sum_gradient.contiguous() : at::Tensor();
    return dropout_residual_norm_backward(normed_gradient.contiguous(), sums, normed, norm.gamma.value, dropout,
                                          norm.gamma.gradient, norm.beta.gradient);
  }
};

/// The residual as an input of a node, which takes no undefined tensor.
using Residual = std::optional<at::Tensor>;
Residual residual_of(const State& state) {
  return state.sum.defined() ? Residual(state.sum) : std::nullopt;
}

/// Both outputs of a node: in post-norm the sum is nobody's business and stays inside.
variable_list outputs_of(const State& state, bool pre_norm) {
  return pre_norm ? variable_list{state.normed, state.sum.detach()} : variable_list{state.normed};
}

State state_of(const variable_list& outputs) {
  return {outputs[0], outputs.size() > 1 ? outputs[1] : at::Tensor()};
}

/// Gradients of (normed, sum): in post-norm the residual is the normed state, so that both gradients meet
/// there.
variable_list input_gradients(const Linear& first, const at::Tensor& first_gradient, at::Tensor residual_gradient,
                              bool pre_norm) {
  if (pre_norm) return {input_gradient(first_gradient, first), residual_gradient};
  at::addmm_out(residual_gradient, residual_gradient, first_gradient, first.weight.value);
  return {residual_gradient, at::Tensor()};
}

// ---- embedding

struct EmbedSaved : torch::CustomClassHolder {
  Weight table;
  at::Tensor tokens;
  Dropout dropout;
};

struct EmbedFunction : Function<EmbedFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& table, const at::Tensor& sinusoids,
                            const at::Tensor& positions, Holder<EmbedSaved> saved) {
    keep(context, saved);
    return embedding(table, sinusoids, saved->tokens, positions, saved->dropout);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = take<EmbedSaved>(context);
    embedding_backward(gradients[0].contiguous(), saved->tokens, saved->dropout, saved->table.gradient);
    return {at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

// ---- the first norm of a pre-norm stack

struct NormSaved : torch::CustomClassHolder {
  Normed normed;
  LayerNorm norm;
};

struct NormFunction : Function<NormFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input, Holder<NormSaved> saved) {
    keep(context, saved);
    saved->normed =
        dropout_residual_norm(input.detach(), at::Tensor(), saved->norm.gamma.value, saved->norm.beta.value, Dropout{});
    return std::exchange(saved->normed.normed, at::Tensor());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = take<NormSaved>(context);
    auto result =
        dropout_residual_norm_backward(gradients[0].contiguous(), at::Tensor(), saved->normed, saved->norm.gamma.value,
                                       Dropout{}, saved->norm.gamma.gradient, saved->norm.beta.gradient);
    return {result.residual, at::Tensor()};
  }
};

// ---- self-attention

struct SelfAttentionSaved : torch::CustomClassHolder {
  SelfAttention weights;
  AttentionShape shape;
  Dropout inner;
  Ending ending;
  bool pre_norm;
  at::Tensor input, query_key_value, attended;
  AttentionSaved attention;
};

struct SelfAttentionFunction : Function<SelfAttentionFunction> {
  static variable_list forward(AutogradContext* context, const at::Tensor& normed, const Residual& sum,
                               Holder<SelfAttentionSaved> saved) {
    keep(context, saved);
    const int64_t d = normed.size(1);
    saved->input = normed;
    saved->query_key_value = linear(normed, saved->weights.query_key_value);
    saved->attended = at::empty_like(normed);
    const at::Tensor& all = saved->query_key_value;
    saved->attention = attention(all.narrow(1, 0, d), all.narrow(1, d, d), all.narrow(1, 2 * d, d), saved->shape,
                                 saved->inner, saved->attended);
    const at::Tensor branch = linear(saved->attended, saved->weights.out);
    return outputs_of(saved->ending.begin(branch, {normed, sum.value_or(at::Tensor())}, saved->pre_norm),
                      saved->pre_norm);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = take<SelfAttentionSaved>(context);
    const int64_t d = saved->input.size(1);
    auto end = saved->ending.backward(gradients[0], gradients.size() > 1 ? gradients[1] : at::Tensor());
    linear_backward(end.branch, saved->attended, saved->weights.out);
    const at::Tensor attended_gradient = input_gradient(end.branch, saved->weights.out);
    const at::Tensor& all = saved->query_key_value;
    const at::Tensor all_gradient = at::empty_like(all);
    at::Tensor dq = all_gradient.narrow(1, 0, d), dk = all_gradient.narrow(1, d, d),
               dv = all_gradient.narrow(1, 2 * d, d);
    attention_backward(attended_gradient, all.narrow(1, 0, d), all.narrow(1, d, d), all.narrow(1, 2 * d, d),
                       saved->attention, saved->shape, saved->inner, dq, dk, dv);
    linear_backward(all_gradient, saved->input, saved->weights.query_key_value);
    auto inputs = input_gradients(saved->weights.query_key_value, all_gradient, end.residual, saved->pre_norm);
    return {inputs[0], inputs[1], at::Tensor()};
  }
};

// ---- attention to the source

struct CrossAttentionSaved : torch::CustomClassHolder {
  CrossAttention weights;
  AttentionShape shape;
  Dropout inner;
  Ending ending;
  bool pre_norm;
  at::Tensor input, memory, query, key_value, attended;
  AttentionSaved attention;
};

struct CrossAttentionFunction : Function<CrossAttentionFunction> {
  static variable_list forward(AutogradContext* context, const at::Tensor& normed, const Residual& sum,
                               const at::Tensor& memory, Holder<CrossAttentionSaved> saved) {
    keep(context, saved);
    const int64_t d = normed.size(1);
    saved->input = normed;
    saved->memory = memory;
    saved->query = linear(normed, saved->weights.query);
    saved->key_value = linear(memory, saved->weights.key_value);
    saved->attended = at::empty_like(normed);
    saved->attention = attention(saved->query, saved->key_value.narrow(1, 0, d), saved->key_value.narrow(1, d, d),
                                 saved->shape, saved->inner, saved->attended);
    const at::Tensor branch = linear(saved->attended, saved->weights.out);
    return outputs_of(saved->ending.begin(branch, {normed, sum.value_or(at::Tensor())}, saved->pre_norm),
                      saved->pre_norm);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = take<CrossAttentionSaved>(context);
    const int64_t d = saved->input.size(1);
    auto end = saved->ending.backward(gradients[0], gradients.size() > 1 ? gradients[1] : at::Tensor());
    linear_backward(end.branch, saved->attended, saved->weights.out);
    const at::Tensor attended_gradient = input_gradient(end.branch, saved->weights.out);
    at::Tensor query_gradient = at::empty_like(saved->query);
    const at::Tensor key_value_gradient = at::empty_like(saved->key_value);
    at::Tensor dk = key_value_gradient.narrow(1, 0, d), dv = key_value_gradient.narrow(1, d, d);
    attention_backward(attended_gradient, saved->query, saved->key_value.narrow(1, 0, d),
                       saved->key_value.narrow(1, d, d), saved->attention, saved->shape, saved->inner, query_gradient,
                       dk, dv);
    linear_backward(key_value_gradient, saved->memory, saved->weights.key_value);
    linear_backward(query_gradient, saved->input, saved->weights.query);
    const at::Tensor memory_gradient = input_gradient(key_value_gradient, saved->weights.key_value);
    auto inputs = input_gradients(saved->weights.query, query_gradient, end.residual, saved->pre_norm);
    return {inputs[0], inputs[1], memory_gradient, at::Tensor()};
  }
};

// ---- feed-forward

struct FeedForwardSaved : torch::CustomClassHolder {
  FeedForward weights;
  Activation activation;
  Dropout inner;
  Ending ending;
  bool pre_norm;
  at::Tensor input, before, hidden;
};

struct FeedForwardFunction : Function<FeedForwardFunction> {
  static variable_list forward(AutogradContext* context, const at::Tensor& normed, const Residual& sum,
                               Holder<FeedForwardSaved> saved) {
    keep(context, saved);
    saved->input = normed;
    const at::Tensor before = linear(normed, saved->weights.fc1);
    saved->hidden = activation(before, saved->activation, saved->inner);
    if (saved->activation == Activation::gelu) saved->before = before;
    const at::Tensor branch = linear(saved->hidden, saved->weights.fc2);
    return outputs_of(saved->ending.begin(branch, {normed, sum.value_or(at::Tensor())}, saved->pre_norm),
                      saved->pre_norm);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto saved = take<FeedForwardSaved>(context);
    auto end = saved->ending.backward(gradients[0], gradients.size() > 1 ? gradients[1] : at::Tensor());
    linear_backward(end.branch, saved->hidden, saved->weights.fc2);
    at::Tensor hidden_gradient = input_gradient(end.branch, saved->weights.fc2);
    activation_backward(saved->activation == Activation::gelu ? saved->before : saved->hidden, hidden_gradient,
                        saved->activation, saved->inner);
    linear_backward(hidden_gradient, saved->input, saved->weights.fc1);
    auto inputs = input_gradients(saved->weights.fc1, hidden_gradient, end.residual, saved->pre_norm);
    return {inputs[0], inputs[1], at::Tensor()};
  }
};

}  // namespace

at::Tensor embed(const Weight& table, const at::Tensor& sinusoids, const at::Tensor& tokens,
                 const at::Tensor& positions, const Dropout& dropout) {
  auto saved = c10::make_intrusive<EmbedSaved>();
  saved->table = table;
  saved->tokens = tokens;
  saved->dropout = dropout;
  return EmbedFunction::apply(table.value, sinusoids, positions, saved);
}

State first_norm(const at::Tensor& input, const LayerNorm& norm) {
  auto saved = c10::make_intrusive<NormSaved>();
  saved->norm = norm;
  return {NormFunction::apply(input, saved), input};
}

State self_attention(const State& state, const SelfAttention& weights, const LayerNorm& norm,
                     const AttentionShape& shape, const SublayerDropout& dropout) {
  auto saved = c10::make_intrusive<SelfAttentionSaved>();
  saved->weights = weights;
  saved->shape = shape;
  saved->inner = dropout.inner;
  saved->ending.norm = norm;
  saved->ending.dropout = dropout.branch;
  saved->pre_norm = state.sum.defined();
  return state_of(SelfAttentionFunction::apply(state.normed, residual_of(state), saved));
}

State cross_attention(const State& state, const at::Tensor& memory, const CrossAttention& weights,
                      const LayerNorm& norm, const AttentionShape& shape, const SublayerDropout& dropout) {
  auto saved = c10::make_intrusive<CrossAttentionSaved>();
  saved->weights = weights;
  saved->shape = shape;
  saved->inner = dropout.inner;
  saved->ending.norm = norm;
  saved->ending.dropout = dropout.branch;
  saved->pre_norm = state.sum.defined();
  return state_of(CrossAttentionFunction::apply(state.normed, residual_of(state), memory, saved));
}

State feed_forward(const State& state, const FeedForward& weights, const LayerNorm& norm, Activation activation,
                   const SublayerDropout& dropout) {
  auto saved = c10::make_intrusive<FeedForwardSaved>();
  saved->weights = weights;
  saved->activation = activation;
  saved->inner = dropout.inner;
  saved->ending.norm = norm;
  saved->ending.dropout = dropout.branch;
  saved->pre_norm = state.sum.defined();
  return state_of(FeedForwardFunction::apply(state.normed, residual_of(state), saved));
}

}  // namespace rdrop
