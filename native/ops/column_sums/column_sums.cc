// column_sums: tensors to arguments; on the CPU ranges of rows over threads.
#include "ops/column_sums/column_sums.h"

#include "core/range_sums.h"
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/column_sums/column_sums_kernel.h"

namespace rdrop {

void column_sums_on(Device& device, const at::Tensor& x, at::Tensor& out) {
  const int64_t rows = x.size(0), columns = x.size(1), blocks = 4 * int64_t(device.info().multiprocessors);
  at::Tensor partial = device.memory().empty({column_sums_ranges(rows, columns, blocks), columns}, at::kFloat);
  dispatch_device(x, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().column_sums.add({elements<T>(x), mutable_elements<float>(out), rows, columns}, blocks,
                                                 mutable_elements<float>(partial), device.stream());
  });
}

// The CPU.

void column_sums(const at::Tensor& x, at::Tensor& out) {
  if (Device* device = current_device()) return column_sums_on(*device, x, out);
  const int64_t columns = x.size(1);
  dispatch_layers(x, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    sum_over_ranges<W>(x.size(0), columns, {&out}, [&](W* partial, int64_t begin, int64_t end) {
      kernels<ColumnSumsKernels<T>>().add(elements<T>(x), columns, partial, begin, end);
    });
  });
}

}  // namespace rdrop
