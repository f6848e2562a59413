// column_sums on a device: tensors to arguments.
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/column_sums/column_sums.h"

namespace rdrop {

void column_sums_on(Device& device, const at::Tensor& x, at::Tensor& out) {
  const int64_t rows = x.size(0), columns = x.size(1), blocks = 4 * int64_t(device.info().multiprocessors);
  at::Tensor partial = device.empty({column_sums_ranges(rows, columns, blocks), columns}, at::kFloat);
  dispatch_device(x, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().column_sums.add({elements<T>(x), mutable_elements<float>(out), rows, columns}, blocks,
                                                 mutable_elements<float>(partial), device.stream());
  });
}

}  // namespace rdrop
