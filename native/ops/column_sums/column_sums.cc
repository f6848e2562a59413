// column_sums on the CPU: ranges of rows over threads.
#include "ops/column_sums/column_sums.h"

#include "device/device.h"
#include "core/range_sums.h"

namespace rdrop {

void column_sums(const at::Tensor& x, at::Tensor& out) {
  if (Device* device = current_device()) return column_sums_on(*device, x, out);
  const int64_t columns = x.size(1);
  dispatch_layers(x, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    sum_over_ranges<W>(x.size(0), columns, {&out}, [&](W* partial, int64_t begin, int64_t end) {
      kernels().layers<T>().column_sums.add(elements<T>(x), columns, partial, begin, end);
    });
  });
}

}  // namespace rdrop
