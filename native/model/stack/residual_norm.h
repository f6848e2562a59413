// The end of a sub-layer: its last linear layer, dropout, residual and norm, kept for the backward pass. R rows, D
// width.
#pragma once

#include "model/stack/place.h"
#include "model/stack/sublayers.h"

namespace rdrop {

class ResidualNorm {
 public:
  /// Consumes the branch, which the sub-layer's last linear layer makes of `input` [R,·].
  ResidualNorm(const LayerPlace& place, const at::Tensor& input, const Linear& last, const State& state,
               const LayerNorm& norm, const Dropout& dropout, Next next);

  /// The state after the sub-layer; the normed state is given away, for its backward does without.
  State take_state();

  /// branch: what the gradient of the linear layer's output is kept as.
  NormedGradients backward(const StateGradient& gradient, Kept branch) const;

  /// The gradient of the sub-layer's input, whose first linear layer has `first_gradient`. In post-norm the residual is
  /// the normed state, so that both gradients meet there.
  StateGradient input_gradients(const Linear& first, const at::Tensor& first_gradient, at::Tensor residual) const;

 private:
  LayerPlace place_;
  const LayerNorm* norm_;
  Dropout dropout_;
  bool pre_norm_;
  at::Tensor bias_gradient_;  // of the last linear layer
  Normed normed_;
};

}  // namespace rdrop
