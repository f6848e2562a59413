// Adam. On the CPU one sweep over parameters, gradient and moments, which also clears the gradient.
#include "ops/adam/adam.h"

#include <cmath>
#include <vector>

#include "core/dispatch.h"
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/adam/adam_kernel.h"

namespace rdrop {

void adam_on(Device& device, at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& first_moment,
             at::Tensor& second_moment, at::Tensor& copy, const AdamOptions& options,
             const AdamCoefficients* coefficients) {
  dispatch_device(copy.defined() ? copy : parameter, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().adam.step(
        {mutable_elements<float>(parameter), elements<float>(gradient), mutable_elements<float>(first_moment),
         mutable_elements<float>(second_moment), copy.defined() ? mutable_elements<T>(copy) : nullptr, coefficients,
         parameter.numel(), options.beta1, options.beta2, options.epsilon},
        device.stream());
  });
}

void sum_of_squares_on(Device& device, const at::Tensor& gradient, double* out) {
  const int64_t blocks = 4 * int64_t(device.info().multiprocessors);
  at::Tensor partial = device.memory().empty({blocks}, at::kDouble);
  device.kernels().float32.adam.sum_of_squares(
      {elements<float>(gradient), gradient.numel(), out, mutable_elements<double>(partial)}, blocks, device.stream());
}

// The CPU.

void adam(at::Tensor& parameter, at::Tensor& gradient, at::Tensor& first_moment, at::Tensor& second_moment,
          at::Tensor& copy, const AdamOptions& options, double learning_rate, double gradient_scale, int64_t update) {
  dispatch_floating(parameter, [&](auto zero) {
    using T = decltype(zero);
    const double correction1 = 1.0 - std::pow(options.beta1, double(update));
    const double correction2 = 1.0 - std::pow(options.beta2, double(update));
    const AdamStep<T> step{parameter.mutable_data_ptr<T>(),
                           gradient.mutable_data_ptr<T>(),
                           first_moment.mutable_data_ptr<T>(),
                           second_moment.mutable_data_ptr<T>(),
                           gradient_scale,
                           options.beta1,
                           options.beta2,
                           options.epsilon,
                           learning_rate * options.weight_decay,
                           learning_rate * std::sqrt(correction2) / correction1,
                           copy.defined() ? mutable_elements<Bfloat16>(copy) : nullptr};
    parallel_rows(parameter.numel(), 1,
                  [&](int64_t begin, int64_t end) { kernels<AdamKernels<T>>().step(step, begin, end); });
  });
}

double gradient_norm(const at::Tensor& gradient) {
  constexpr int64_t chunk = 1 << 16;
  const int64_t size = gradient.numel(), chunks = (size + chunk - 1) / chunk;
  std::vector<double> sums(static_cast<size_t>(chunks));
  dispatch_floating(gradient, [&](auto zero) {
    using T = decltype(zero);
    const T* data = gradient.const_data_ptr<T>();
    parallel_rows(chunks, chunk, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        sums[size_t(i)] = kernels<AdamKernels<T>>().sum_of_squares(data, i * chunk, std::min(size, (i + 1) * chunk));
      }
    });
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return std::sqrt(total);
}

}  // namespace rdrop
