// fairseq's Adam over a flat buffer of P parameters, and the norm of a gradient.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

struct AdamOptions {
  double beta1, beta2, epsilon, weight_decay;
};

/// One step: decoupled decay, then the moments, then p -= lr·√(1-β2^t)/(1-β1^t) · m/(√v + ε). parameter, gradient and
/// both moments are [P]. The gradient is multiplied by gradient_scale first and left at zero. update t counts from 1.
void adam(at::Tensor& parameter, at::Tensor& gradient, at::Tensor& first_moment, at::Tensor& second_moment,
          const AdamOptions& options, double learning_rate, double gradient_scale, int64_t update);

/// √Σ gradient², in double; independent of the number of threads.
double gradient_norm(const at::Tensor& gradient);

}  // namespace rdrop
