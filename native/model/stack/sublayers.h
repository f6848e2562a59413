// The sub-layers of the network, forward; each leaves its backward on a tape where there is one. R packed rows, D
// width.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "model/stack/device_gradients.h"
#include "model/sequences.h"
#include "model/parameters.h"
#include "model/stack/tape.h"
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

/// The linear layer that a sub-layer's output goes to first, in this layer or `ahead` of it.
struct Next {
  Kept input;
  int64_t ahead = 0;
};

/// The keys and values of the encoder's output for every layer of the decoder, from one product on a device.
struct SourceKeys {
  at::Tensor all;       // [S,2·D·layers]
  at::Tensor gradient;  // likewise, made by the first layer that has one
};

/// What the decoder's layers see of the encoder. The gradient of its output is added to memory_gradient, which is made
/// when it is undefined.
struct SourceMemory {
  at::Tensor states;  // [S,D]
  at::Tensor* gradient;
  std::shared_ptr<SourceKeys> keys;  ///< on a device alone
};

/// A forward pass with a tape keeps references to weights and shapes: they must outlive it. tape null: no backward.

/// The norm in front of the first sub-layer (pre-norm); input [R,D] becomes the residual.
State first_norm(Tape* tape, const at::Tensor& input, const LayerNorm& norm);

/// Attention, projection, dropout, residual, norm. `norm` is that of the sub-layer (post-norm) or of the next one
/// (pre-norm).
State self_attention(Tape* tape, const State& state, const SelfAttention& weights, const LayerNorm& norm,
                     const AttentionShape& shape, const SublayerDropout& dropout, Next next);

/// On a device, the keys and values of all layers; before the first of them. weights: Parameters::source_keys.
SourceMemory source_memory(Tape* tape, const at::Tensor& states, at::Tensor* gradient, const Linear& weights);

/// layer: which of the decoder's.
State cross_attention(Tape* tape, const State& state, const SourceMemory& memory, int64_t layer,
                      const CrossAttention& weights, const LayerNorm& norm, const AttentionShape& shape,
                      const SublayerDropout& dropout, Next next);

State feed_forward(Tape* tape, const State& state, const FeedForward& weights, const LayerNorm& norm,
                   Activation activation, const SublayerDropout& dropout, Next next);

}  // namespace rdrop
