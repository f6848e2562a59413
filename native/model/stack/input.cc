// See input.h.
#include "model/stack/input.h"

#include <utility>

#include "device/device.h"
#include "model/stack/place.h"
#include "model/tensors.h"
#include "ops/activation/activation.h"
#include "ops/embedding/embedding.h"

namespace rdrop {
namespace {

/// Adds the gradient of one of the tables.
void table_backward(const LayerPlace& place, const at::Tensor& gradient, const at::Tensor& ids,
                    const EmbeddingGroups& groups, double scale, const Dropout& dropout, const Weight& table) {
  at::Tensor table_gradient = table.gradient;
  // Rows of ids that the batch does not have are zero unless something else wrote the table.
  if (place.gradients && place.gradients->is_unwritten(table_gradient)) fill_zero(table_gradient);
  embedding_backward(gradient, ids, groups, scale, dropout, table_gradient);
}

void tables_backward(const LayerPlace& place, const at::Tensor& gradient, const Sequences& sequences,
                     const Embedding& weights, const Dropout& dropout) {
  table_backward(place, gradient, sequences.tokens, sequences.groups, weights.scale, dropout, weights.table);
  if (weights.positions.value.defined()) {
    table_backward(place, gradient, sequences.positions, sequences.position_groups, 1, dropout, weights.positions);
  }
  if (weights.token_types.value.defined()) {
    table_backward(place, gradient, sequences.types, sequences.type_groups, 1, dropout, weights.token_types);
  }
}

EmbeddingInputs inputs_of(const Embedding& weights, const at::Tensor& tokens, const at::Tensor& positions,
                          const at::Tensor& types) {
  return {weights.table.value,       tokens, weights.position_table, positions,
          weights.token_types.value, types,  weights.scale};
}

/// The norm of the sum, and dropout behind it.
at::Tensor norm_and_drop(Tape* tape, const LayerPlace& out_place, const at::Tensor& sum, const Embedding& weights,
                         const Sequences& sequences, const Dropout& dropout) {
  Normed normed = norm_of(out_place, Kept::query_key_value_input, sum, weights.norm);
  at::Tensor result = std::exchange(normed.normed, at::Tensor());
  if (dropout.p > 0) result = activation(result, Activation::identity, dropout);
  if (tape) {
    tape->push([normed, dropout, place = tape->place, &weights, &sequences](const StateGradient& gradient) {
      at::Tensor through = gradient.normed;
      if (dropout.p > 0) activation_gradient(through, through, Activation::identity, dropout);
      const at::Tensor sum_gradient = norm_of_backward(place, {through, at::Tensor()}, normed, weights.norm);
      tables_backward(place, sum_gradient, sequences, weights, Dropout{});
      return StateGradient{};
    });
  }
  return result;
}

}  // namespace

at::Tensor embed(Tape* tape, const Embedding& weights, const Sequences& sequences, const Dropout& dropout,
                 bool to_layer) {
  const LayerPlace place = place_of(tape), out_place = to_layer ? place : LayerPlace{};
  const EmbeddingInputs inputs = inputs_of(weights, sequences.tokens, sequences.positions, sequences.types);
  if (weights.norm.gamma.value.defined()) {
    return norm_and_drop(tape, out_place, embedding(inputs, Dropout{}), weights, sequences, dropout);
  }
  if (tape) {
    tape->push([&weights, &sequences, dropout, place](const StateGradient& gradient) {
      tables_backward(place, gradient.normed, sequences, weights, dropout);
      return StateGradient{};
    });
  }
  if (Device* device = current_device()) {
    return embedding_on(*device, inputs, dropout,
                        take(out_place, Kept::query_key_value_input, sequences.tokens.size(0),
                             weights.table.value.size(1), weights.table.value.scalar_type()));
  }
  return embedding(inputs, dropout);
}

at::Tensor embed_tokens(const Embedding& weights, const at::Tensor& tokens, const at::Tensor& positions) {
  const at::Tensor sum = embedding(inputs_of(weights, tokens, positions, {}), Dropout{});
  if (!weights.norm.gamma.value.defined()) return sum;
  return norm_of(LayerPlace{}, Kept::end, sum, weights.norm).normed;
}

}  // namespace rdrop
