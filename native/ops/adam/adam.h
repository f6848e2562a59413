// fairseq's Adam over a flat buffer of P parameters, and the norm of a gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace rdrop {

class Device;
struct AdamCoefficients;
struct AdamRange;

struct AdamOptions {
  double beta1, beta2, epsilon, weight_decay;
};

/// One step: decoupled decay, then the moments, then p -= lr·√(1-β2^t)/(1-β1^t) · m/(√v + ε). parameter, gradient and
/// both moments are [P]. The gradient is multiplied by gradient_scale first and left at zero. copy: bfloat16 [P],
/// the new parameters rounded, or undefined. update t counts from 1.
void adam(at::Tensor& parameter, at::Tensor& gradient, at::Tensor& first_moment, at::Tensor& second_moment,
          at::Tensor& copy, const AdamOptions& options, double learning_rate, double gradient_scale, int64_t update);

/// Σ gradient², in double; independent of the number of threads.
double sum_of_squares(const at::Tensor& gradient);

/// Stretches of the parameters, each updated in its own way, in the memory of a device.
class AdamRanges {
 public:
  AdamRanges() = default;
  /// Cuts them into pieces, which the blocks of a launch share out. Waits for nothing.
  AdamRanges(Device& device, const std::vector<AdamRange>& ranges);

  const AdamRange* pieces() const;
  int64_t count() const { return count_; }

 private:
  at::Tensor pieces_;
  int64_t count_ = 0;
};

/// One step on a device. parameter, gradient, moments float32 [P]; copy [P] of the network's type, or undefined: the
/// new parameters rounded, written by the same kernel. coefficients: on the device,
/// read when the kernel runs; options.weight_decay has its part in them. The gradient stays as it is. ranges: what is
/// updated, and how; null: all of it, alike.
void adam_on(Device& device, at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& first_moment,
             at::Tensor& second_moment, at::Tensor& copy, const AdamOptions& options,
             const AdamCoefficients* coefficients, const AdamRanges* ranges = nullptr);

/// *out, on the device, = Σ gradient² of float32 [P], always in the same order; of the ranges alone where they are
/// given.
void sum_of_squares_on(Device& device, const at::Tensor& gradient, double* out, const AdamRanges* ranges = nullptr);

}  // namespace rdrop
