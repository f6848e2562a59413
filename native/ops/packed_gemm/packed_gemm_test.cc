// Matrix products by panels, in every instruction set and type, against sums in double.
#include <cmath>

#include "ops/packed_gemm/packed_gemm_blocks.h"
#include "core/kernels.h"
#include "test/cpu_layers.h"

namespace rdrop::test {
namespace {

struct Shape {
  int64_t rows, columns, terms;
};

/// A factor [lines, terms] in memory line by line, or term by term.
template <typename T>
PanelSource<T> source_of(const Array<T>& factor, int64_t lines, int64_t terms, bool by_line) {
  return {factor.data(), by_line ? terms : 1, by_line ? 1 : lines, lines, terms};
}

template <typename T>
double entry(const std::vector<double>& values, const PanelSource<T>& source, int64_t line, int64_t term) {
  return values[size_t(line * source.line_stride + term * source.term_stride)];
}

/// The product as `threads` threads would make it, in one; out has `stride` numbers a row.
template <typename T, typename Right>
std::vector<double> product(const PanelSource<T>& left, const Right& right, const Array<float>* bias, bool add,
                            const std::vector<double>& before, int64_t stride, int64_t threads) {
  Array<float> out(before);
  PanelWorkspace<T> workspace;
  std::vector<int> completed(size_t(left.lines * right.lines));
  const PanelGrid grid(left.lines, right.lines, left.terms, threads);
  for (int64_t task = 0; task < grid.tasks(); ++task) {
    const Rectangle part = grid.task(task);
    const PanelSums sums{out.data() + part.row * stride + part.column, stride,
                         bias ? bias->data() + part.column : nullptr, add};
    multiply_rectangle(kernels<PackedGemmKernels<T>>(), left, right, part, sums, workspace,
                       [&](int64_t begin, int64_t end) {
                         for (int64_t row = part.row + begin; row < part.row + end; ++row) {
                           for (int64_t c = 0; c < part.columns; ++c)
                             ++completed[size_t(row * right.lines + part.column + c)];
                         }
                       });
  }
  expect(completed == std::vector<int>(completed.size(), 1), "a number was not completed once");
  return out.values();
}

template <typename T>
void compare_product(const Shape& shape, bool left_by_line, bool right_by_line, bool has_bias, bool add) {
  const auto [rows, columns, terms] = shape;
  const int64_t stride = columns + 3;
  const Array<T> left(normal(size_t(rows * terms), 1)), right(normal(size_t(columns * terms), 2));
  const Array<float> bias(normal(size_t(columns), 3));
  const std::vector<double> before = Array<float>(normal(size_t(rows * stride), 4)).values();
  const PanelSource<T> a = source_of(left, rows, terms, left_by_line),
                       b = source_of(right, columns, terms, right_by_line);
  const std::vector<double> x = left.values(), y = right.values(), z = bias.values();
  std::vector<double> expected = before;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      double sum = (has_bias ? z[size_t(j)] : 0) + (add ? before[size_t(i * stride + j)] : 0);
      for (int64_t k = 0; k < terms; ++k) sum += entry(x, a, i, k) * entry(y, b, j, k);
      expected[size_t(i * stride + j)] = sum;
    }
  }
  in_every_set([&](const std::string& set) {
    const std::string where = set + " " + type_name<T>() + " " + std::to_string(rows) + "x" + std::to_string(columns) +
                              "x" + std::to_string(terms);
    const auto found = product(a, b, has_bias ? &bias : nullptr, add, before, stride, 1);
    // Terms of about 1 either way: a sum of n of them, rounded n times, is off by some n roundings of its size √n.
    const double roundings = double(terms + 2) * roundoff<float>();
    expect_close(where, found, expected, roundings, roundings * std::sqrt(double(terms)));
    for (const int64_t threads : {2, 7}) {
      expect(product(a, b, has_bias ? &bias : nullptr, add, before, stride, threads) == found,
             where + ": the number of threads changes the result");
    }
    std::vector<Step<T>> panels(size_t(PackedRight<T>::size(b)));
    pack_whole_right(kernels<PackedGemmKernels<T>>(), b, panels.data());
    const PackedRight<T> packed{panels.data(), columns, terms};
    for (const int64_t threads : {1, 7}) {
      expect(product(a, packed, has_bias ? &bias : nullptr, add, before, stride, threads) == found,
             where + ": a factor packed as a whole changes the result");
    }
    const int64_t last = rows - 1;
    PanelSource<T> row = a;
    row.from += last * a.line_stride;
    row.lines = 1;
    const std::vector<double> row_before(before.begin() + last * stride, before.end());
    const std::vector<double> row_found(found.begin() + last * stride, found.end());
    expect(product(row, b, has_bias ? &bias : nullptr, add, row_before, stride, 1) == row_found,
           where + ": the rows beside it change a row");
  });
}

/// Every edge of panels (12 rows, 32 columns, steps of 1 or 2 terms), blocks (192 rows, 256 steps) and rectangles (768
/// rows, 512 columns).
template <typename T>
void compare_products() {
  for (const Shape& shape : {Shape{1, 1, 1}, Shape{5, 7, 3}, Shape{12, 32, 16}, Shape{13, 33, 17}, Shape{3, 16, 0},
                             Shape{24, 64, 256}, Shape{31, 50, 515}, Shape{194, 20, 31}, Shape{30, 96, 515},
                             Shape{100, 517, 40}, Shape{771, 5, 6}, Shape{2, 1030, 1027}}) {
    for (const bool left_by_line : {false, true}) {
      for (const bool right_by_line : {false, true}) {
        compare_product<T>(shape, left_by_line, right_by_line, false, false);
      }
    }
    compare_product<T>(shape, true, true, true, false);
    compare_product<T>(shape, false, false, true, true);
  }
}

/// What is not finite comes through, and nothing else is touched by it.
template <typename T>
void keep_not_finite() {
  constexpr int64_t rows = 14, columns = 35, terms = 9;
  std::vector<double> values(size_t(rows * terms), 1.0);
  values[size_t(13 * terms + 8)] = NAN;
  values[size_t(2 * terms)] = INFINITY;
  const Array<T> left(values), right(std::vector<double>(size_t(columns * terms), 1.0));
  in_every_set([&](const std::string& set) {
    const auto found = product(source_of(left, rows, terms, true), source_of(right, columns, terms, true), nullptr,
                               false, std::vector<double>(size_t(rows * columns)), columns, 1);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        const double x = found[size_t(i * columns + j)];
        expect(i == 13  ? std::isnan(x)
               : i == 2 ? x == INFINITY
                        : x == double(terms),
               set + ": row " + std::to_string(i));
      }
    }
  });
}

const Case float32_product{"products by panels in float32, every instruction set", compare_products<float>};
const Case bfloat16_product{"products by panels in bfloat16, every instruction set", compare_products<Bfloat16>};
const Case not_finite{"products by panels of numbers that are not finite", [] {
                        keep_not_finite<float>();
                        keep_not_finite<Bfloat16>();
                      }};

}  // namespace
}  // namespace rdrop::test
