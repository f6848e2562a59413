// The activation on a device: tensors to arguments.
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/activation/activation.h"

namespace rdrop {

at::Tensor activation_on(Device& device, const at::Tensor& in, Activation kind, const Dropout& dropout) {
  at::Tensor out = kind == Activation::relu ? in : device.empty(in.sizes(), in.scalar_type());
  dispatch_device(in, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().activation.forward(
        {elements<T>(in), mutable_elements<T>(out), in.size(1), kind, dropout}, in.size(0), device.stream());
  });
  return out;
}

void activation_backward_on(Device& device, const at::Tensor& saved, at::Tensor& gradient, Activation kind,
                            const Dropout& dropout) {
  dispatch_device(saved, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().activation.backward(
        {elements<T>(saved), mutable_elements<T>(gradient), saved.size(1), kind, dropout}, saved.size(0),
        device.stream());
  });
}

}  // namespace rdrop
