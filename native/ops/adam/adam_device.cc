// Adam on a device: tensors to arguments.
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/adam/adam.h"
#include "ops/adam/adam_kernel.h"

namespace rdrop {

void adam_on(Device& device, at::Tensor& parameter, at::Tensor& gradient, at::Tensor& first_moment,
             at::Tensor& second_moment, at::Tensor& copy, const AdamOptions& options, const at::Tensor& coefficients) {
  const int64_t bytes = int64_t(sizeof(AdamCoefficients));
  if (coefficients.numel() != bytes || coefficients.scalar_type() != at::kByte) {
    fail("INTERNAL", "expected Adam's coefficients as ", bytes, " bytes, got ", coefficients.numel(), " of type ",
         c10::toString(coefficients.scalar_type()));
  }
  dispatch_device(copy.defined() ? copy : parameter, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().adam.step(
        {mutable_elements<float>(parameter), mutable_elements<float>(gradient), mutable_elements<float>(first_moment),
         mutable_elements<float>(second_moment), copy.defined() ? mutable_elements<T>(copy) : nullptr,
         elements<AdamCoefficients>(coefficients), parameter.numel(), options.beta1, options.beta2, options.epsilon},
        device.stream());
  });
}

void sum_of_squares_on(Device& device, const at::Tensor& gradient, at::Tensor& out) {
  const int64_t blocks = 4 * int64_t(device.info().multiprocessors);
  at::Tensor partial = device.empty({blocks}, at::kDouble);
  device.kernels().float32.adam.sum_of_squares(
      {elements<float>(gradient), gradient.numel(), mutable_elements<double>(out), mutable_elements<double>(partial)},
      blocks, device.stream());
}

}  // namespace rdrop
