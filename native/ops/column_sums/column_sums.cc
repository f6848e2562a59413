// column_sums: tensors to arguments; on the CPU ranges of rows over threads.
#include "ops/column_sums/column_sums.h"

#include "core/range_sums.h"
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/column_sums/column_sums_kernel.h"

namespace rdrop {

void column_sums_on(Device& device, const std::vector<ColumnSumOnDevice>& sums) {
  if (sums.empty()) return;
  dispatch_device(sums.front().x, [&](auto zero) {
    using T = decltype(zero);
    std::vector<ColumnSum<T>> all;
    for (const auto& [x, out, add] : sums) {
      float* const to = static_cast<float*>(out.mutable_data_ptr());
      all.push_back({elements<T>(x), to, x.size(0), x.size(1), x.stride(0), out.dim() == 1 ? 1 : out.size(0), add});
    }
    device.kernels().layers<T>().column_sums.sum(all.data(), int64_t(all.size()), device.stream());
  });
}

int64_t column_sums_ranges_on(Device& device, const at::Tensor& x, int64_t together) {
  const int64_t blocks = 4 * int64_t(device.info().multiprocessors);
  return column_sums_ranges(x.size(0), x.size(1), blocks / together);
}

// The CPU.

void column_sums(const at::Tensor& x, at::Tensor& out) {
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
