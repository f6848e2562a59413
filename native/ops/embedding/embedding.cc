// Embeddings. On the CPU the gradient of the table is split by token, so that no two threads touch one row and the sum
// does not depend on the number of threads.
#include "ops/embedding/embedding.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sin.h>

#include <algorithm>
#include <cmath>

#include "core/dispatch.h"
#include "core/scratch.h"
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/embedding/embedding_groups.h"
#include "ops/embedding/embedding_kernel.h"

namespace rdrop {

namespace {

/// Of the CPU or of a device.
template <typename T, typename P>
EmbeddingForward<T, P> arguments_of(const EmbeddingInputs& inputs, const at::Tensor& out, const Dropout& dropout) {
  return {elements<T>(inputs.table),
          elements<P>(inputs.position_table),
          elements<int32_t>(inputs.tokens),
          elements<int32_t>(inputs.positions),
          mutable_elements<T>(out),
          inputs.table.size(1),
          inputs.scale,
          dropout,
          optional_elements<P>(inputs.type_table),
          optional_elements<int32_t>(inputs.types)};
}

}  // namespace

at::Tensor embedding_on(Device& device, const EmbeddingInputs& inputs, const Dropout& dropout, at::Tensor out) {
  const int64_t rows = inputs.tokens.size(0);
  if (!out.defined()) out = device.memory().empty({rows, inputs.table.size(1)}, inputs.table.scalar_type());
  dispatch_device(inputs.table, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().embedding.forward(arguments_of<T, float>(inputs, out, dropout), rows, device.stream());
  });
  return out;
}

void embedding_backward_on(Device& device, const at::Tensor& gradient, const EmbeddingGroups& groups, double scale,
                           const Dropout& dropout, at::Tensor& table_gradient) {
  const int64_t rows = groups.order.size(0), columns = gradient.size(1);
  const int64_t blocks = std::min<int64_t>(rows, 8 * int64_t(device.info().multiprocessors));
  at::Tensor partial = device.memory().empty({embedding_partial_rows(rows), columns}, at::kFloat);
  dispatch_device(gradient, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().embedding.backward(
        {elements<T>(gradient), elements<int32_t>(groups.order), elements<int32_t>(groups.starts),
         elements<int32_t>(groups.tokens), elements<int32_t>(groups.count), mutable_elements<float>(table_gradient),
         mutable_elements<float>(partial), columns, scale, dropout},
        blocks, device.stream());
  });
}

// The CPU.

at::Tensor embedding(const EmbeddingInputs& inputs, const Dropout& dropout) {
  if (Device* device = current_device()) return embedding_on(*device, inputs, dropout);
  const int64_t rows = inputs.tokens.size(0), columns = inputs.table.size(1);
  at::Tensor out = scratch({rows, columns}, inputs.table.scalar_type());
  dispatch_layers(inputs.table, [&](auto zero) {
    using T = decltype(zero);
    const auto arguments = arguments_of<T, Wide<T>>(inputs, out, dropout);
    parallel_rows(rows, columns * 4,
                  [&](int64_t begin, int64_t end) { kernels<EmbeddingKernels<T>>().forward(arguments, begin, end); });
  });
  return out;
}

void embedding_backward(const at::Tensor& gradient, const at::Tensor& ids, const EmbeddingGroups& groups, double scale,
                        const Dropout& dropout, at::Tensor& table_gradient) {
  if (Device* device = current_device()) {
    return embedding_backward_on(*device, gradient, groups, scale, dropout, table_gradient);
  }
  const int64_t rows = ids.size(0), columns = gradient.size(1);
  const int64_t parts = at::get_num_threads();
  dispatch_layers(gradient, [&](auto zero) {
    using T = decltype(zero);
    parallel_parts(parts, rows * columns * 4 / kElementsWorthAThread, [&](int64_t part, int64_t count) {
      const EmbeddingBackward<T> arguments{elements<T>(gradient),
                                           elements<int32_t>(ids),
                                           mutable_elements<Wide<T>>(table_gradient),
                                           rows,
                                           columns,
                                           scale,
                                           dropout};
      kernels<EmbeddingKernels<T>>().backward(arguments, part, count);
    });
  });
}

at::Tensor sinusoidal_positions(int64_t rows, int64_t columns, const at::TensorOptions& options) {
  constexpr int64_t padding = 1;
  const int64_t half = columns / 2;
  // The original's very operations in float32, whatever the model's type: a sine that differs in its last bit
  // would show in a model in float64.
  const auto single = at::TensorOptions(at::kFloat);
  const double rate = half > 1 ? std::log(10000.0) / double(half - 1) : 0.0;
  const at::Tensor frequencies = at::exp(at::mul(at::arange(half, single), at::Scalar(-rate)));
  const at::Tensor angles = at::mul(at::arange(rows, single).unsqueeze(1), frequencies.unsqueeze(0));
  at::Tensor table = at::cat({at::sin(angles), at::cos(angles)}, 1).to(options);
  table.select(0, padding).zero_();
  return table;
}

}  // namespace rdrop
