// The nodes of the tape: each sub-layer is one torch::autograd function whose backward adds the gradients of its
// weights straight into their flat buffer and passes on the gradients of its inputs. R packed rows, D width.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/parameters.h"
#include "ops/attention.h"
#include "ops/dropout_kernel.h"

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

/// tokens, positions int32 [R]. Returns [R,D]. The table's value must require a gradient where one is wanted.
at::Tensor embed(const Weight& table, const at::Tensor& sinusoids, const at::Tensor& tokens,
                 const at::Tensor& positions, const Dropout& dropout);

/// The norm in front of the first sub-layer (pre-norm).
State first_norm(const at::Tensor& input, const LayerNorm& norm);

/// Attention, projection, dropout, residual, norm. `norm` is that of the sub-layer (post-norm) or of the next one
/// (pre-norm).
State self_attention(const State& state, const SelfAttention& weights, const LayerNorm& norm,
                     const AttentionShape& shape, const SublayerDropout& dropout);

/// memory [S,D]: the encoder's output.
State cross_attention(const State& state, const at::Tensor& memory, const CrossAttention& weights,
                      const LayerNorm& norm, const AttentionShape& shape, const SublayerDropout& dropout);

State feed_forward(const State& state, const FeedForward& weights, const LayerNorm& norm, Activation activation,
                   const SublayerDropout& dropout);

}  // namespace rdrop
