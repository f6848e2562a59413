// An activation with its dropout: dropout(f(x)), where f is relu, gelu, tanh or the identity. R rows, F columns. What
// is said of gelu holds for both ways to compute it.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/dropout.h"
#include "ops/activation/activation_kind.h"

namespace rdrop {

class Device;

/// in [R,F]; bias [F] is added to it first, undefined where the input has it, as always on a device. Returns [R,F]:
/// in's own memory for relu (whose backward needs only the output) and the identity, new memory for gelu and tanh.
at::Tensor activation(const at::Tensor& in, Activation kind, const Dropout& dropout, const at::Tensor& bias = {});

/// On the CPU. saved [R,F]: the output for relu, the input for gelu and tanh, either for the identity. gradient [R,F]
/// is overwritten in place. Adds to bias_gradient [F] where that is defined.
void activation_backward(const at::Tensor& saved, at::Tensor& gradient, Activation kind, const Dropout& dropout,
                         const at::Tensor& bias = {}, at::Tensor bias_gradient = {});

/// The same on a device, where activation() goes by itself. out [R,F]: where that of gelu and tanh goes; undefined: new
/// memory. The backward pass returns float32 [ranges,F], whose sum over the ranges is the gradient of the bias.
at::Tensor activation_on(Device& device, const at::Tensor& in, Activation kind, const Dropout& dropout,
                         at::Tensor out = {});
at::Tensor activation_backward_on(Device& device, const at::Tensor& saved, at::Tensor& gradient, Activation kind,
                                  const Dropout& dropout);

}  // namespace rdrop
