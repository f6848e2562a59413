// The activation under the emulated grid against the CPU's body in double.
#include "ops/activation/activation_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/kernels.h"
#include "test/cpu_layers.h"

namespace rdrop::test {
namespace {

/// On the CPU there is another way to gelu.
constexpr Activation kOnCpu[] = {Activation::relu, Activation::gelu, Activation::tanh, Activation::identity,
                                 Activation::vector_gelu};
constexpr Activation kAll[] = {Activation::relu, Activation::gelu, Activation::tanh, Activation::identity};

struct Shape {
  int64_t rows, columns, blocks;
};

template <typename T>
void compare(Shape shape, Activation kind, double p) {
  const size_t size = size_t(shape.rows * shape.columns);
  const Dropout dropout{p, (shape.rows + 1) / 2, {portable::stream_key(3, StreamRole::dropout), 70000, 5}};
  const auto& cpu = scalar::kernels<ActivationKernels<double>>();
  const Array<T> input(normal(size, 1)), upstream(normal(size, 2));
  const Array<double> reference_input(input.values());
  Array<double> reference(size);
  cpu.forward({reference_input.data(), reference.data(), shape.columns, kind, dropout}, 0, shape.rows);
  in_every_order([&] {
    Array<T> out(size);
    activation_launchers<T>().forward({input.data(), out.data(), shape.columns, kind, dropout}, shape.rows, nullptr);
    expect_close("out", out.values(), reference.values(), 4 * roundoff<T>(), 1e-6);

    const Array<T>& saved = in_place(kind) ? out : input;
    const Array<double> reference_saved(saved.values());
    Array<double> expected(upstream.values());
    Array<T> gradient(upstream.values());
    cpu.backward({reference_saved.data(), expected.data(), shape.columns, kind, dropout}, 0, shape.rows);
    const int64_t ranges = activation_ranges(shape.rows, shape.columns, shape.blocks);
    Array<float> partial(std::vector<double>(size_t(ranges * shape.columns), std::nan("")));
    activation_launchers<T>().backward({saved.data(), gradient.data(), shape.columns, kind, dropout}, shape.rows,
                                       ranges, partial.data(), nullptr);
    expect_close("gradient", gradient.values(), expected.values(), 4 * roundoff<T>(), 1e-6);
    std::vector<double> sums(size_t(shape.columns)), expected_sums(size_t(shape.columns));
    const std::vector<double> found = partial.values(), wanted = expected.values();
    for (size_t i = 0; i < found.size(); ++i) sums[i % sums.size()] += found[i];
    for (size_t i = 0; i < wanted.size(); ++i) expected_sums[i % sums.size()] += wanted[i];
    expect_close("bias gradient", sums, expected_sums, 1e-6, 1e-5);
  });
}

template <typename T>
void all_shapes() {
  for (const Shape shape :
       {Shape{1, 1, 4}, {3, 7, 1}, {25, 16, 2}, {2, 63, 4}, {19, 64, 9}, {3, 130, 1}, {20, 1024, 5}, {0, 9, 4}}) {
    for (const Activation kind : kAll) {
      for (const double p : {0.0, 0.3}) compare<T>(shape, kind, p);
    }
  }
}

const Case float32{"activation: float32", all_shapes<float>};
const Case bfloat16{"activation: bfloat16", all_shapes<Bfloat16>};
const Case float16{"activation: float16", all_shapes<Half>};

const Case update_at{"activation: the update is read when the kernel runs", [] {
                       const size_t size = 2 * 40;
                       uint64_t counter = 9;
                       const Array<float> input(std::vector<double>(size, 1.0));
                       const auto run = [&](DropoutStream stream) {
                         Array<float> out(size);
                         activation_launchers<float>().forward(
                             {input.data(), out.data(), 40, Activation::relu, {0.5, 1, stream}}, 2, nullptr);
                         return out.values();
                       };
                       const auto by_value = run({11, 9, 2}), by_place = run({11, 0, 2, &counter});
                       expect(by_value == by_place, "another mask than that of the same update given by value");
                       counter = 10;
                       expect(by_value != run({11, 0, 2, &counter}), "the mask did not change with the update");
                     }};

// On the CPU, in every instruction set.

template <typename T>
void compare_activation(Activation kind, int64_t columns, bool has_bias, double p) {
  using W = Wide<T>;
  constexpr int64_t rows = 5;
  const size_t size = size_t(rows * columns), width = size_t(columns);
  const Array<T> in(normal(size, 1)), gradient(normal(size, 2)), bias(normal(width, 3, 0.4));
  const Dropout dropout = some_dropout(p, rows);
  const std::vector<double> keep = keep_factors(dropout, rows, columns), x = in.values(), b = bias.values(),
                            dy = gradient.values();
  std::vector<double> out(size), dx(size), sums(width);
  for (size_t i = 0; i < size; ++i) {
    const double z = x[i] + (has_bias ? b[i % width] : 0);
    const double cdf = 0.5 * std::erfc(-z / std::sqrt(2.0)), pdf = std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
    const double cosh = std::cosh(z);
    const auto of_kind = [&](double relu, double gelu, double tanh, double identity) {
      return kind == Activation::relu       ? relu
             : kind == Activation::tanh     ? tanh
             : kind == Activation::identity ? identity
                                            : gelu;
    };
    out[i] = keep[i] * of_kind(std::max(z, 0.0), z * cdf, std::tanh(z), z);
    dx[i] = keep[i] * dy[i] * of_kind(double(z > 0), cdf + z * pdf, 1 / (cosh * cosh), 1);
    sums[i % width] += dx[i];
  }
  in_every_set([&](const std::string& set) {
    const auto& kernel = kernels<ActivationKernels<T>>();
    Array<T> found(in.values()), found_gradient(gradient.values());
    Array<W> found_sums(width);
    const Array<T> input(in.values());
    const T* given = in_place(kind) ? found.data() : input.data();
    kernel.forward({given, found.data(), columns, kind, dropout, has_bias ? bias.data() : nullptr}, 0, rows);
    kernel.backward({given, found_gradient.data(), columns, kind, dropout, has_bias ? bias.data() : nullptr,
                     has_bias ? found_sums.data() : nullptr},
                    0, rows);
    const std::string where = set + " " + type_name<T>() + " " + std::to_string(columns) + " columns: ";
    expect_close(where + "activation", found.values(), out, 2 * allowance<T>(), 2 * allowance<T>());
    expect_close(where + "gradient", found_gradient.values(), dx, 2 * allowance<T>(), 2 * allowance<T>());
    if (has_bias) expect_close(where + "bias", found_sums.values(), sums, 4 * allowance<T>(2), 8 * allowance<T>(2));
  });
}

template <typename T>
void all_on_cpu() {
  for (const double p : {0.0, 0.3}) {
    for (const int64_t columns : {1, 7, 64, 130}) {
      for (const bool bias : {false, true}) {
        for (const Activation kind : kOnCpu) compare_activation<T>(kind, columns, bias, p);
      }
    }
  }
}

const Case cpu_float32{"the CPU's activation in float32, every instruction set", all_on_cpu<float>};
const Case cpu_float64{"the CPU's activation in float64, every instruction set", all_on_cpu<double>};
const Case cpu_bfloat16{"the CPU's activation in bfloat16, every instruction set", all_on_cpu<Bfloat16>};

const Case vector_gelu{
    "the CPU's gelu by vectors is right to 1e-6 of itself, far tails included", [] {
      std::vector<double> x;
      for (int i = -1300; i <= 1300; ++i) x.push_back(i * 0.01);
      const double infinity = std::numeric_limits<double>::infinity();
      x.insert(x.end(), {0.0, -0.0, 1e20, -1e20, infinity, std::nan("")});
      const Array<float> in(x);
      const std::vector<double> given = in.values();
      in_every_set([&](const std::string& set) {
        Array<float> out(x.size()), slope(std::vector<double>(x.size(), 1.0));
        const auto& kernel = kernels<ActivationKernels<float>>();
        const int64_t columns = int64_t(x.size());
        kernel.forward({in.data(), out.data(), columns, Activation::vector_gelu, Dropout{}}, 0, 1);
        kernel.backward({in.data(), slope.data(), columns, Activation::vector_gelu, Dropout{}}, 0, 1);
        const std::vector<double> found = out.values(), found_slope = slope.values();
        for (size_t i = 0; i + 6 < x.size(); ++i) {
          const double z = given[i], cdf = 0.5 * std::erfc(-z / std::sqrt(2.0));
          const double truth = z * cdf, tangent = cdf + z * std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
          const std::string at = set + " at " + std::to_string(z);
          // 1 + erf, as the scalar body has it, loses the tail to the rounding of 1.
          const double least = set == "scalar" ? 1e-15 : 1e-37;
          expect(std::abs(found[i] - truth) <= 1e-6 * std::abs(truth) + least, at);
          expect(std::abs(found_slope[i] - tangent) <= 1e-6, at + ", slope");
        }
        const double* end = found.data() + found.size() - 6;
        expect(end[0] == 0 && end[1] == 0 && end[2] == float(1e20) && std::abs(end[3]) < 1e-30 && end[4] == infinity &&
                   std::isnan(end[5]),
               set + ": numbers beyond");
      });
    }};

}  // namespace
}  // namespace rdrop::test
