// The embedding on a device: tensors to arguments.
#include <algorithm>
#include <cmath>

#include "device/device.h"
#include "device/dispatch.h"
#include "ops/embedding/embedding.h"

namespace rdrop {

at::Tensor embedding_on(Device& device, const at::Tensor& table, const at::Tensor& sinusoids, const at::Tensor& tokens,
                        const at::Tensor& positions, const Dropout& dropout) {
  const int64_t rows = tokens.size(0), columns = table.size(1);
  at::Tensor out = device.empty({rows, columns}, table.scalar_type());
  dispatch_device(table, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().embedding.forward(
        {elements<T>(table), elements<float>(sinusoids), elements<int32_t>(tokens), elements<int32_t>(positions),
         mutable_elements<T>(out), columns, std::sqrt(double(columns)), dropout},
        rows, device.stream());
  });
  return out;
}

void embedding_backward_on(Device& device, const at::Tensor& gradient, const EmbeddingGroups& groups,
                           const Dropout& dropout, at::Tensor& table_gradient) {
  const int64_t rows = groups.order.size(0), columns = gradient.size(1);
  const int64_t blocks = std::min<int64_t>(rows, 8 * int64_t(device.info().multiprocessors));
  at::Tensor partial = device.empty({embedding_partial_rows(rows), columns}, at::kFloat);
  dispatch_device(gradient, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().embedding.backward(
        {elements<T>(gradient), elements<int32_t>(groups.order), elements<int32_t>(groups.starts),
         elements<int32_t>(groups.tokens), elements<int32_t>(groups.count), mutable_elements<float>(table_gradient),
         mutable_elements<float>(partial), columns, std::sqrt(double(columns)), dropout},
        blocks, device.stream());
  });
}

}  // namespace rdrop
