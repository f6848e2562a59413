// column_sums under the emulated grid and on the CPU, in every instruction set, against sums in double.
#include "ops/column_sums/column_sums_kernel.h"

#include <array>
#include <cmath>
#include <deque>

#include "core/kernels.h"
#include "test/cpu_layers.h"

namespace rdrop::test {
namespace {

/// A matrix whose rows are `gap` elements apart and its sums, added to what is there or not.
template <typename T>
struct Sum {
  int64_t rows, columns, gap, ranges;
  bool add;
  Array<T> x;
  Array<float> before, partial, out;
  std::vector<double> expected;

  Sum(int64_t rows, int64_t columns, int64_t gap, int64_t ranges, bool add)
      : rows(rows),
        columns(columns),
        gap(gap),
        ranges(ranges),
        add(add),
        x(normal(size_t(rows * (columns + gap)), uint64_t(rows + columns))),
        before(normal(size_t(columns), 2)),
        partial(std::vector<double>(size_t(ranges * columns), std::nan(""))),
        out(add ? before.values() : std::vector<double>(size_t(columns), std::nan(""))),
        expected(add ? before.values() : std::vector<double>(size_t(columns))) {
    const std::vector<double> values = x.values();
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t c = 0; c < columns; ++c) expected[size_t(c)] += values[size_t(row * (columns + gap) + c)];
    }
  }
  ColumnSum<T> of_ranges() { return {x.data(), partial.data(), rows, columns, columns + gap, ranges, false}; }
  ColumnSum<float> of_all() { return {partial.data(), out.data(), ranges, columns, columns, 1, add}; }
};

/// All sums in two launches: of ranges of rows, then of the ranges.
template <typename T>
void compare(const std::vector<std::array<int64_t, 5>>& shapes) {
  in_every_order([&] {
    std::deque<Sum<T>> sums;
    for (const auto& [rows, columns, gap, ranges, add] : shapes)
      sums.emplace_back(rows, columns, gap, ranges, add != 0);
    std::vector<ColumnSum<T>> first;
    std::vector<ColumnSum<float>> second;
    for (Sum<T>& sum : sums) first.push_back(sum.of_ranges()), second.push_back(sum.of_all());
    column_sums_launchers<T>().sum(first.data(), int64_t(first.size()), nullptr);
    column_sums_launchers<float>().sum(second.data(), int64_t(second.size()), nullptr);
    for (const Sum<T>& sum : sums) expect_close("sums", sum.out.values(), sum.expected, 1e-6, 1e-5);
  });
}

template <typename T>
void all_shapes() {
  std::vector<std::array<int64_t, 5>> all;
  for (const int64_t columns : {1, 7, 63, 64, 130, 300}) {
    for (const int64_t gap : {0, 3, 12}) {
      all.push_back({0, columns, gap, 1, 1});
      all.push_back({1, columns, gap, 1, 0});
      all.push_back({21, columns, gap, 2, 1});
      all.push_back({75, columns, gap, 9, 0});
    }
  }
  compare<T>(all);  // more than a launch takes
  compare<T>({{40, 128, 0, 3, 1}});
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
                  }};

}  // namespace
}  // namespace rdrop::test
