// column_sums under the emulated grid and on the CPU, in every instruction set, against sums in double.
#include "ops/column_sums/column_sums_kernel.h"

#include <cmath>

#include "core/kernels.h"
#include "test/cpu_layers.h"

namespace rdrop::test {
namespace {

template <typename T>
void compare(int64_t rows, int64_t columns, int64_t blocks) {
  const Array<T> x(normal(size_t(rows * columns), 1));
  const Array<float> before(normal(size_t(columns), 2));
  std::vector<double> expected = before.values();
  const std::vector<double> values = x.values();
  for (int64_t i = 0; i < rows * columns; ++i) expected[size_t(i % columns)] += values[size_t(i)];
  in_every_order([&] {
    Array<float> out(before.values());
    const size_t scratch = size_t(column_sums_ranges(rows, columns, blocks) * columns);
    Array<float> partial(std::vector<double>(scratch, std::nan("")));
    column_sums_launchers<T>().add({x.data(), out.data(), rows, columns}, blocks, partial.data(), nullptr);
    expect_close("sums", out.values(), expected, 1e-6, 1e-5);
  });
}

template <typename T>
void all_shapes() {
  for (const int64_t columns : {1, 7, 63, 64, 130, 300}) {
    compare<T>(0, columns, 4);
    compare<T>(1, columns, 4);
    compare<T>(21, columns, 1);
    compare<T>(75, columns, 16);
  }
  compare<T>(40, 128, 3);
}

/// Rows [1, rows) of x are added to what is in partial.
template <typename T>
void compare_on_cpu() {
  for (const int64_t columns : {1, 7, 16, 63, 64, 130, 300}) {
    for (const int64_t rows : {1, 2, 21, 75}) {
      const Array<T> x(normal(size_t(rows * columns), 1));
      const Array<Wide<T>> before(normal(size_t(columns), 2));
      std::vector<double> expected = before.values();
      const std::vector<double> values = x.values();
      for (int64_t i = columns; i < rows * columns; ++i) expected[size_t(i % columns)] += values[size_t(i)];
      in_every_set([&](const std::string& set) {
        Array<Wide<T>> partial(before.values());
        kernels<ColumnSumsKernels<T>>().add(x.data(), columns, partial.data(), 1, rows);
        const double rounding = double(rows) * roundoff<Wide<T>>();
        expect_close(set + " " + type_name<T>(), partial.values(), expected, rounding, 8 * rounding);
      });
    }
  }
}

const Case on_cpu{"column_sums on the CPU, every instruction set", [] {
                    compare_on_cpu<float>();
                    compare_on_cpu<double>();
                    compare_on_cpu<Bfloat16>();
                  }};

const Case float32{"column_sums: float32", all_shapes<float>};
const Case bfloat16{"column_sums: bfloat16", all_shapes<Bfloat16>};
const Case float16{"column_sums: float16", all_shapes<Half>};

const Case ranges{"column_sums: blocks are used, and none is left without a row", [] {
                    expect(column_sums_ranges(7200, 512, 264) == 66, "512 columns are 4 tiles");
                    expect(column_sums_ranges(7200, 513, 264) == 52, "513 columns are 5 tiles");
                    expect(column_sums_ranges(17, 1, 264) == 3, "17 rows are for 3 blocks of 8 warps");
                    expect(column_sums_ranges(0, 1, 264) == 1, "no rows");
                    expect(column_sums_ranges(100, 1 << 20, 1 << 20) == 1, "more tiles than counters");
                  }};

}  // namespace
}  // namespace rdrop::test
