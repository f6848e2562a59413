// The activation: tensors to arguments; on the CPU rows over threads.
#include "ops/activation/activation.h"

#include "core/range_sums.h"
#include "core/scratch.h"
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/activation/activation_kernel.h"

namespace rdrop {
namespace {

/// What a device's kernels know.
Activation of_device(Activation kind) {
  return kind == Activation::vector_gelu ? Activation::gelu : kind;
}

}  // namespace

at::Tensor activation_on(Device& device, const at::Tensor& in, Activation kind, const Dropout& dropout,
                         at::Tensor out) {
  if (in_place(kind)) out = in;
  if (!out.defined()) out = device.memory().empty(in.sizes(), in.scalar_type());
  dispatch_device(in, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().activation.forward(
        {elements<T>(in), mutable_elements<T>(out), in.size(1), of_device(kind), dropout}, in.size(0), device.stream());
  });
  return out;
}

at::Tensor activation_backward_on(Device& device, const at::Tensor& saved, at::Tensor& gradient, Activation kind,
                                  const Dropout& dropout) {
  const int64_t rows = saved.size(0), columns = saved.size(1);
  const int64_t ranges = activation_ranges(rows, columns, 4 * int64_t(device.info().multiprocessors));
  at::Tensor partial = device.memory().empty({ranges, columns}, at::kFloat);
  dispatch_device(saved, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().activation.backward(
        {elements<T>(saved), mutable_elements<T>(gradient), columns, of_device(kind), dropout}, rows, ranges,
        mutable_elements<float>(partial), device.stream());
  });
  return partial;
}

// The CPU.

at::Tensor activation(const at::Tensor& in, Activation kind, const Dropout& dropout, const at::Tensor& bias) {
  if (Device* device = current_device()) return activation_on(*device, in, kind, dropout);
  at::Tensor out = in_place(kind) ? in : scratch_like(in);
  dispatch_layers(in, [&](auto zero) {
    using T = decltype(zero);
    const ActivationForward<T> arguments{elements<T>(in), mutable_elements<T>(out),  in.size(1), kind,
                                         dropout,         optional_elements<T>(bias)};
    parallel_rows(in.size(0), in.size(1) * 2,
                  [&](int64_t begin, int64_t end) { kernels<ActivationKernels<T>>().forward(arguments, begin, end); });
  });
  return out;
}

void activation_backward(const at::Tensor& saved, at::Tensor& gradient, Activation kind, const Dropout& dropout,
                         const at::Tensor& bias, at::Tensor bias_gradient) {
  const int64_t columns = saved.size(1);
  dispatch_layers(saved, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    sum_over_ranges<W>(saved.size(0), columns, {&bias_gradient}, [&](W* partial, int64_t begin, int64_t end) {
      const ActivationBackward<T> arguments{elements<T>(saved),
                                            mutable_elements<T>(gradient),
                                            columns,
                                            kind,
                                            dropout,
                                            optional_elements<T>(bias),
                                            bias_gradient.defined() ? partial : nullptr};
      kernels<ActivationKernels<T>>().backward(arguments, begin, end);
    });
  });
}

}  // namespace rdrop
