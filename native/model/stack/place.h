// What the sub-layers share: where a layer keeps what its backward pass needs, and gradients that go another way on a
// device than on the CPU. R rows, D width.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/dropout.h"
#include "model/stack/device_gradients.h"
#include "model/parameters.h"
#include "model/stack/tape.h"
#include "ops/activation/activation_kind.h"
#include "ops/dropout_residual_norm/dropout_residual_norm.h"

namespace rdrop {

/// Columns [i·D, (i+1)·D) of a fused projection.
inline at::Tensor part(const at::Tensor& fused, int64_t i, int64_t width) {
  return fused.narrow(1, i * width, width);
}

inline LayerPlace place_of(const Tape* tape) {
  return tape ? tape->place : LayerPlace{};
}

/// Memory [R,columns] of a place, or new.
at::Tensor take(const LayerPlace& place, Kept kept, int64_t rows, int64_t columns, at::ScalarType type,
                int64_t ahead = 0);
at::Tensor take_like(const LayerPlace& place, Kept kept, const at::Tensor& tensor);

/// LayerNorm alone: input [R,D] is consumed. kept: where the result goes on a device.
Normed norm_of(const LayerPlace& place, Kept kept, const at::Tensor& input, const LayerNorm& norm);

/// Its backward; sum_gradient may be undefined. Returns the gradient of the input.
at::Tensor norm_of_backward(const LayerPlace& place, const StateGradient& gradient, const Normed& normed,
                            const LayerNorm& norm);

/// The backward pass of a norm behind a sub-layer on a device; bias: of the linear layer before, undefined where there
/// is none.
NormedGradients norm_backward(const LayerPlace& place, const StateGradient& gradient, const Normed& normed,
                              const LayerNorm& norm, const Dropout& dropout, const at::Tensor& bias, Kept branch);

/// Overwrites the gradient of dropout(f(x)) by that of x; a bias has no part in it.
void activation_gradient(const at::Tensor& saved, at::Tensor& gradient, Activation kind, const Dropout& dropout);

}  // namespace rdrop
