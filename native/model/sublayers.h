// The sub-layers of the network, forward; each leaves its backward on a tape where there is one. R packed rows, D
// width.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/sequences.h"
#include "model/parameters.h"
#include "model/tape.h"
#include "ops/attention/attention.h"
#include "core/dropout.h"

namespace rdrop {

/// What runs through the network. Post-norm: sum is undefined and the residual is the normed state itself.
struct State {
  at::Tensor normed;  // [R,D] input of the next sub-layer
  at::Tensor sum;     // [R,D] residual of the next sub-layer (pre-norm)
};

/// The dropouts of one sub-layer.
struct SublayerDropout {
  Dropout branch, inner;  ///< of the residual branch; of attention probabilities or of the activation
};

/// A forward pass with a tape keeps references to weights and shapes: they must outlive it. tape null: no backward.

/// sinusoids [P,D]. Returns [R,D].
at::Tensor embed(Tape* tape, const Weight& table, const at::Tensor& sinusoids, const Sequences& sequences,
                 const Dropout& dropout);

/// The norm in front of the first sub-layer (pre-norm); input [R,D] becomes the residual.
State first_norm(Tape* tape, const at::Tensor& input, const LayerNorm& norm);

/// Attention, projection, dropout, residual, norm. `norm` is that of the sub-layer (post-norm) or of the next one
/// (pre-norm).
State self_attention(Tape* tape, const State& state, const SelfAttention& weights, const LayerNorm& norm,
                     const AttentionShape& shape, const SublayerDropout& dropout);

/// memory [S,D]: the encoder's output; its gradient is added to memory_gradient, which is made when it is undefined.
State cross_attention(Tape* tape, const State& state, const at::Tensor& memory, at::Tensor* memory_gradient,
                      const CrossAttention& weights, const LayerNorm& norm, const AttentionShape& shape,
                      const SublayerDropout& dropout);

State feed_forward(Tape* tape, const State& state, const FeedForward& weights, const LayerNorm& norm,
                   Activation activation, const SublayerDropout& dropout);

}  // namespace rdrop
