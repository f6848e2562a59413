// The activation on the CPU.
#include "ops/activation.h"

#include <ATen/ops/empty_like.h>

#include "device/device.h"
#include "ops/dispatch.h"

namespace rdrop {

at::Tensor activation(const at::Tensor& in, Activation kind, const Dropout& dropout) {
  if (Device* device = current_device()) return activation_on(*device, in, kind, dropout);
  at::Tensor out = kind == Activation::relu ? in : at::empty_like(in);
  dispatch_floating(in, [&](auto zero) {
    using T = decltype(zero);
    const ActivationForward<T> arguments{in.const_data_ptr<T>(), out.mutable_data_ptr<T>(), in.size(1), kind, dropout};
    parallel_rows(in.size(0), in.size(1) * 2,
                  [&](int64_t begin, int64_t end) { kernels().layers<T>().activation.forward(arguments, begin, end); });
  });
  return out;
}

void activation_backward(const at::Tensor& saved, at::Tensor& gradient, Activation kind, const Dropout& dropout) {
  if (Device* device = current_device()) return activation_backward_on(*device, saved, gradient, kind, dropout);
  dispatch_floating(saved, [&](auto zero) {
    using T = decltype(zero);
    const ActivationBackward<T> arguments{saved.const_data_ptr<T>(), gradient.mutable_data_ptr<T>(), saved.size(1),
                                          kind, dropout};
    parallel_rows(saved.size(0), saved.size(1) * 2, [&](int64_t begin, int64_t end) {
      kernels().layers<T>().activation.backward(arguments, begin, end);
    });
  });
}

}  // namespace rdrop
