// Pooling: tensors to arguments; on the CPU sequences over threads.
#include "ops/pooling/pooling.h"

#include "core/dispatch.h"
#include "core/scratch.h"
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/pooling/pooling_kernel.h"

namespace rdrop {

at::Tensor pooling_on(Device& device, const at::Tensor& states, const at::Tensor& starts, Pooling kind) {
  const int64_t sequences = starts.size(0) - 1, columns = states.size(1);
  at::Tensor out = device.memory().empty({sequences, columns}, states.scalar_type());
  if (sequences == 0) return out;
  dispatch_device(states, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().pooling.forward(
        {elements<T>(states), elements<int32_t>(starts), mutable_elements<T>(out), columns, kind}, sequences,
        device.stream());
  });
  return out;
}

at::Tensor pooling_backward_on(Device& device, const at::Tensor& gradient, const at::Tensor& starts, int64_t rows,
                               Pooling kind) {
  const int64_t sequences = gradient.size(0), columns = gradient.size(1);
  at::Tensor states_gradient = device.memory().empty({rows, columns}, gradient.scalar_type());
  if (sequences == 0) return states_gradient;
  dispatch_device(gradient, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().pooling.backward(
        {elements<T>(gradient), elements<int32_t>(starts), mutable_elements<T>(states_gradient), columns, kind},
        sequences, device.stream());
  });
  return states_gradient;
}

// The CPU.

namespace {

/// Elements of a sequence, on average.
int64_t elements_each(int64_t rows, int64_t sequences, int64_t columns) {
  return (rows / std::max<int64_t>(1, sequences) + 1) * columns;
}

}  // namespace

at::Tensor pooling(const at::Tensor& states, const at::Tensor& starts, Pooling kind) {
  if (Device* device = current_device()) return pooling_on(*device, states, starts, kind);
  const int64_t sequences = starts.size(0) - 1, columns = states.size(1);
  at::Tensor out = scratch({sequences, columns}, states.scalar_type());
  dispatch_layers(states, [&](auto zero) {
    using T = decltype(zero);
    const PoolingForward<T> arguments{elements<T>(states), elements<int32_t>(starts), mutable_elements<T>(out), columns,
                                      kind};
    parallel_rows(sequences, elements_each(states.size(0), sequences, columns),
                  [&](int64_t begin, int64_t end) { kernels<PoolingKernels<T>>().forward(arguments, begin, end); });
  });
  return out;
}

at::Tensor pooling_backward(const at::Tensor& gradient, const at::Tensor& starts, int64_t rows, Pooling kind) {
  if (Device* device = current_device()) return pooling_backward_on(*device, gradient, starts, rows, kind);
  const int64_t sequences = gradient.size(0), columns = gradient.size(1);
  at::Tensor states_gradient = scratch({rows, columns}, gradient.scalar_type());
  dispatch_layers(gradient, [&](auto zero) {
    using T = decltype(zero);
    const PoolingBackward<T> arguments{elements<T>(gradient), elements<int32_t>(starts),
                                       mutable_elements<T>(states_gradient), columns, kind};
    parallel_rows(sequences, elements_each(rows, sequences, columns),
                  [&](int64_t begin, int64_t end) { kernels<PoolingKernels<T>>().backward(arguments, begin, end); });
  });
  return states_gradient;
}

}  // namespace rdrop
