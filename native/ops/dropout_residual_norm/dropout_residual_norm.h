// y = LayerNorm(s) with s = residual + dropout(branch): the end of every sub-layer in one operation. R rows, D columns.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/dropout.h"

namespace rdrop {

class Device;

struct Normed {
  at::Tensor sum;     // [R,D] the branch's memory, overwritten
  at::Tensor normed;  // [R,D]
  at::Tensor mean;    // [R] of gamma's type
  at::Tensor rstd;    // [R] likewise
};

/// branch [R,D] is consumed: its memory becomes the sum. bias [D] is added to it first; undefined where the branch has
/// it, as always on a device. residual [R,D] or undefined; gamma, beta [D]. epsilon is added to the variance. Goes to
/// the device of the scope, if any.
Normed dropout_residual_norm(const at::Tensor& branch, const at::Tensor& residual, const at::Tensor& gamma,
                             const at::Tensor& beta, const Dropout& dropout, double epsilon = 1e-5,
                             const at::Tensor& bias = {});

struct NormedGradients {
  at::Tensor branch;    // [R,D]
  at::Tensor residual;  // [R,D]; may be the same tensor as branch without dropout
};

/// On the CPU. normed_gradient [R,D]; sum_gradient [R,D] or undefined. Adds to gamma_gradient, beta_gradient and, where
/// it is defined, bias_gradient [D].
NormedGradients dropout_residual_norm_backward(const at::Tensor& normed_gradient, const at::Tensor& sum_gradient,
                                               const Normed& saved, const at::Tensor& gamma, const Dropout& dropout,
                                               at::Tensor& gamma_gradient, at::Tensor& beta_gradient,
                                               at::Tensor bias_gradient = {});

/// The same on a device, where gamma and beta are float32. normed [R,D]: where that goes; undefined: new memory.
Normed dropout_residual_norm_on(Device& device, const at::Tensor& branch, const at::Tensor& residual,
                                const at::Tensor& gamma, const at::Tensor& beta, const Dropout& dropout,
                                double epsilon = 1e-5, const at::Tensor& normed = {});

/// What its backward gives on a device.
struct NormedGradientsOnDevice {
  NormedGradients inputs;
  at::Tensor partial;  // float32 [blocks,3·D]: their sum over the blocks is the gradient of gamma, beta and bias
};
/// branch [R,D]: where its gradient goes; undefined: new memory, or the residual's without dropout.
NormedGradientsOnDevice dropout_residual_norm_backward_on(Device& device, const at::Tensor& normed_gradient,
                                                          const at::Tensor& sum_gradient, const Normed& saved,
                                                          const at::Tensor& gamma, const Dropout& dropout,
                                                          const at::Tensor& branch = {});

}  // namespace rdrop
