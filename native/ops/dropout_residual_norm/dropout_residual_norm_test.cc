// dropout_residual_norm under the emulated grid against the CPU's bodies in double.
#include "ops/dropout_residual_norm/dropout_residual_norm_kernel.h"

#include <algorithm>
#include <cmath>

#include "core/kernels.h"
#include "test/cpu_layers.h"

namespace rdrop::test {
namespace {

struct Shape {
  int64_t rows, columns;
};

struct Options {
  double p;
  bool residual, sum_gradient;
  int64_t blocks;
  bool apart = false;
  double epsilon = 1e-5;
};

/// The sum of the rows of blocks.
std::vector<double> sums_of_blocks(const std::vector<double>& partial, int64_t blocks) {
  const size_t width = partial.size() / size_t(blocks);
  std::vector<double> sums(width);
  for (size_t i = 0; i < partial.size(); ++i) sums[i % width] += partial[i];
  return sums;
}

template <typename T>
void compare(Shape shape, Options options) {
  const auto [rows, columns] = shape;
  const size_t size = size_t(rows * columns);
  const Dropout dropout{options.p, (rows + 1) / 2, {portable::stream_key(3, StreamRole::dropout), 70000, 5}};
  const auto& cpu = scalar::kernels<DropoutResidualNormKernels<double>>();
  const double roundings = 4 * roundoff<T>();
  // A mean that is large beside the deviation: a variance by the mean of squares would lose its digits.
  std::vector<double> branch_values = normal(size, 1, 0.5);
  for (double& value : branch_values) value += 6;
  const Array<T> branch(branch_values), residual(normal(size, 2)), dy(normal(size, 3)), extra(normal(size, 4));
  const Array<float> gamma(normal(size_t(columns), 5)), beta(normal(size_t(columns), 6));
  const Array<double> gamma64(gamma.values()), beta64(beta.values()), residual64(residual.values()), dy64(dy.values()),
      extra64(extra.values());

  Array<double> expected_sum(branch.values()), normed64(size), mean64(rows), rstd64(rows);
  cpu.forward({options.residual ? residual64.data() : nullptr, expected_sum.data(), gamma64.data(), beta64.data(),
               normed64.data(), mean64.data(), rstd64.data(), columns, options.epsilon, dropout},
              0, rows);
  in_every_order([&] {
    Array<T> sum(branch.values()), normed(size);
    Array<float> mean(rows), rstd(rows);
    const auto kernels = dropout_residual_norm_launchers<T>();
    kernels.forward({options.residual ? residual.data() : nullptr, sum.data(), gamma.data(), beta.data(), normed.data(),
                     mean.data(), rstd.data(), columns, options.epsilon, dropout},
                    rows, nullptr);
    expect_close("sum", sum.values(), expected_sum.values(), roundings, 1e-6);

    // From here on everything follows from the sum as it was rounded.
    Array<double> sum64(sum.values());
    cpu.forward({nullptr, sum64.data(), gamma64.data(), beta64.data(), normed64.data(), mean64.data(), rstd64.data(),
                 columns, options.epsilon, Dropout{}},
                0, rows);
    // A row of one column is its mean: what is left of (s - mean) is the rounding of a mean, times 1/√ε.
    const double canceled = columns == 1 ? 0 : 1e-5;
    expect_close("mean", mean.values(), mean64.values(), 1e-6, 1e-6);
    expect_close("rstd", rstd.values(), rstd64.values(), 2e-6, 0);
    expect_close("normed", normed.values(), normed64.values(), roundings, canceled);

    Array<double> residual_gradient64(size), branch_gradient64(size);
    Array<double> gamma_gradient64(static_cast<size_t>(columns)), beta_gradient64(static_cast<size_t>(columns)),
        bias_gradient64(static_cast<size_t>(columns));
    double* branch_place64 = options.p > 0 ? branch_gradient64.data() : residual_gradient64.data();
    cpu.backward({dy64.data(), options.sum_gradient ? extra64.data() : nullptr, sum64.data(), gamma64.data(),
                  mean64.data(), rstd64.data(), residual_gradient64.data(), branch_place64, gamma_gradient64.data(),
                  beta_gradient64.data(), columns, dropout, bias_gradient64.data()},
                 0, rows);
    Array<T> residual_gradient(size), branch_gradient(size);
    // Without dropout both gradients are written alike, or one where they have one place.
    T* branch_place = options.p > 0 || options.apart ? branch_gradient.data() : residual_gradient.data();
    const int64_t blocks = std::min(options.blocks, dropout_residual_norm_blocks(rows, columns));
    Array<float> partial(std::vector<double>(size_t(blocks * 3 * columns), std::nan("")));
    kernels.backward({dy.data(), options.sum_gradient ? extra.data() : nullptr, sum.data(), gamma.data(), mean.data(),
                      rstd.data(), residual_gradient.data(), branch_place, nullptr, nullptr, columns, dropout},
                     rows, blocks, partial.data(), nullptr);
    expect_close("residual gradient", residual_gradient.values(), residual_gradient64.values(), roundings,
                 columns == 1 ? 1e-3 : 2e-5);
    if (branch_place != residual_gradient.data()) {
      expect_close("branch gradient", branch_gradient.values(),
                   (options.p > 0 ? branch_gradient64 : residual_gradient64).values(), roundings,
                   columns == 1 ? 1e-3 : 2e-5);
    }
    const std::vector<double> sums = sums_of_blocks(partial.values(), blocks);
    const auto part = [&](int64_t i) {
      return std::vector<double>(sums.begin() + i * columns, sums.begin() + (i + 1) * columns);
    };
    expect_close("gamma gradient", part(0), gamma_gradient64.values(), 1e-6, 1e-5);
    expect_close("beta gradient", part(1), beta_gradient64.values(), 1e-6, 1e-5);
    expect_close("bias gradient", part(2), bias_gradient64.values(), 1e-6, columns == 1 ? 1e-3 : 5e-5);
  });
}

template <typename T>
void all_shapes() {
  const Options full{0.3, true, true, 3}, plain{0, false, false, 1};
  for (const Shape shape : {Shape{1, 1}, {3, 7}, {5, 16}, {2, 63}, {13, 64}, {3, 130}, {9, 512}}) {
    compare<T>(shape, full);
    compare<T>(shape, plain);
  }
  compare<T>({4, 40}, {0, true, false, 2});
  compare<T>({4, 40}, {0, true, false, 2, true});
  compare<T>({3, 2100}, {0, true, false, 2, true});
  compare<T>({4, 40}, {0.3, false, true, 7});
  // BERT's, and one that shows.
  for (const double epsilon : {1e-12, 0.5}) {
    for (const int64_t columns : {40, 600, 2100}) compare<T>({3, columns}, {0.3, true, true, 2, false, epsilon});
  }
  // Teams of two and four warps, full and not; rows beyond what a team can hold.
  for (const int64_t columns : {513, 1024, 1030, 2048, 2049, 4112}) {
    compare<T>({3, columns}, columns % 2 ? plain : full);
  }
}

const Case float32{"dropout_residual_norm: float32", all_shapes<float>};
const Case bfloat16{"dropout_residual_norm: bfloat16", all_shapes<Bfloat16>};
const Case float16{"dropout_residual_norm: float16", all_shapes<Half>};

const Case blocks{"dropout_residual_norm: any number of blocks, more and fewer than rows", [] {
                    for (const int64_t blocks : {1, 2, 5, 11, 1000}) {
                      compare<float>({90, 24}, {0.3, true, true, blocks});
                    }
                  }};

const Case boundaries{"dropout_residual_norm: gamma and beta may start anywhere", [] {
                        Array<float> sum(normal(32, 1)), normed(32), mean(2), rstd(2), expected(32);
                        Array<float> sum_again(sum.values());
                        const Array<float> shifted(normal(35, 2));
                        Array<float> gamma_aligned(16), beta_aligned(16);
                        for (size_t i = 0; i < 16; ++i) {
                          gamma_aligned.data()[i] = shifted.data()[i + 1];
                          beta_aligned.data()[i] = shifted.data()[i + 18];
                        }
                        const auto forward = dropout_residual_norm_launchers<float>().forward;
                        forward({nullptr, sum.data(), shifted.data() + 1, shifted.data() + 18, normed.data(),
                                 mean.data(), rstd.data(), 16, 1e-5, Dropout{}},
                                2, nullptr);
                        forward({nullptr, sum_again.data(), gamma_aligned.data(), beta_aligned.data(), expected.data(),
                                 mean.data(), rstd.data(), 16, 1e-5, Dropout{}},
                                2, nullptr);
                        expect(normed.values() == expected.values(), "other values than on a boundary");
                      }};

const Case no_rows{"dropout_residual_norm: sums of no rows are zero", [] {
                     for (const int64_t columns : {8, 3000}) {
                       Array<float> gamma(static_cast<size_t>(columns));
                       Array<float> partial(std::vector<double>(size_t(3 * columns), std::nan("")));
                       const auto kernels = dropout_residual_norm_launchers<float>();
                       kernels.forward({nullptr, nullptr, gamma.data(), gamma.data(), nullptr, nullptr, nullptr,
                                        columns, 1e-5, Dropout{}},
                                       0, nullptr);
                       kernels.backward({nullptr, nullptr, nullptr, gamma.data(), nullptr, nullptr, nullptr, nullptr,
                                         nullptr, nullptr, columns, Dropout{}},
                                        0, dropout_residual_norm_blocks(0, columns), partial.data(), nullptr);
                       expect(partial.values() == std::vector<double>(size_t(3 * columns)), "other sums");
                     }
                   }};

}  // namespace

/// On the CPU, in every instruction set and type, against the formulas in double.
namespace on_cpu {
namespace {

struct Options {
  bool residual, bias, sum_gradient;
  double p;
  double epsilon = 1e-5;
};

struct Expected {
  std::vector<double> sum, normed, residual_gradient, branch_gradient, gamma, beta, bias;
};

struct Values {
  std::vector<double> branch, residual, bias, gamma, beta, normed_gradient, sum_gradient;
};

/// y = γ·x̂ + β with x̂ = (s - mean)/σ of s = residual + keep·(branch + bias), and its gradients.
Expected reference(const Values& in, const std::vector<double>& keep, int64_t rows, int64_t columns,
                   const Options& options) {
  const size_t size = size_t(rows * columns), width = size_t(columns);
  Expected out{std::vector<double>(size),  std::vector<double>(size),  std::vector<double>(size), {},
               std::vector<double>(width), std::vector<double>(width), std::vector<double>(width)};
  out.branch_gradient.resize(size);
  for (int64_t row = 0; row < rows; ++row) {
    const size_t at = size_t(row * columns);
    double mean = 0, variance = 0;
    for (size_t c = 0; c < width; ++c) {
      const double branch = in.branch[at + c] + (options.bias ? in.bias[c] : 0);
      out.sum[at + c] = branch * keep[at + c] + (options.residual ? in.residual[at + c] : 0);
      mean += out.sum[at + c] / double(columns);
    }
    for (size_t c = 0; c < width; ++c) variance += std::pow(out.sum[at + c] - mean, 2) / double(columns);
    const double rstd = 1 / std::sqrt(variance + options.epsilon);
    double g_mean = 0, gx_mean = 0;
    for (size_t c = 0; c < width; ++c) {
      const double x = (out.sum[at + c] - mean) * rstd, dy = in.normed_gradient[at + c];
      out.normed[at + c] = x * in.gamma[c] + in.beta[c];
      out.gamma[c] += dy * x;
      out.beta[c] += dy;
      g_mean += dy * in.gamma[c] / double(columns);
      gx_mean += dy * in.gamma[c] * x / double(columns);
    }
    for (size_t c = 0; c < width; ++c) {
      const double x = (out.sum[at + c] - mean) * rstd;
      double& gradient = out.residual_gradient[at + c];
      gradient = rstd * (in.normed_gradient[at + c] * in.gamma[c] - g_mean - x * gx_mean);
      if (options.sum_gradient) gradient += in.sum_gradient[at + c];
      out.branch_gradient[at + c] = gradient * keep[at + c];
      out.bias[c] += out.branch_gradient[at + c];
    }
  }
  return out;
}

template <typename T>
void compare(int64_t rows, int64_t columns, const Options& options) {
  using W = Wide<T>;
  const size_t size = size_t(rows * columns), width = size_t(columns);
  const Array<T> branch(normal(size, 1)), residual(normal(size, 2)), bias(normal(width, 3, 0.3));
  const Array<W> gamma(normal(width, 4)), beta(normal(width, 5));
  const Array<T> normed_gradient(normal(size, 6)), sum_gradient(normal(size, 7));
  const Dropout dropout = some_dropout(options.p, rows);
  const Expected expected = reference({branch.values(), residual.values(), bias.values(), gamma.values(), beta.values(),
                                       normed_gradient.values(), sum_gradient.values()},
                                      keep_factors(dropout, rows, columns), rows, columns, options);
  in_every_set([&](const std::string& set) {
    const auto& kernel = kernels<DropoutResidualNormKernels<T>>();
    Array<T> sum(branch.values()), normed(size), residual_gradient(size), branch_gradient(size);
    Array<W> mean{size_t(rows)}, rstd{size_t(rows)}, dgamma(width), dbeta(width), dbias(width);
    T* const separate = options.p > 0 ? branch_gradient.data() : residual_gradient.data();
    // In two ranges, as threads would.
    for (int64_t part = 0; part < 2; ++part) {
      const int64_t begin = part * rows / 2, end = (part + 1) * rows / 2;
      kernel.forward(
          {options.residual ? residual.data() : nullptr, sum.data(), gamma.data(), beta.data(), normed.data(),
           mean.data(), rstd.data(), columns, options.epsilon, dropout, options.bias ? bias.data() : nullptr},
          begin, end);
      kernel.backward({normed_gradient.data(), options.sum_gradient ? sum_gradient.data() : nullptr, sum.data(),
                       gamma.data(), mean.data(), rstd.data(), residual_gradient.data(), separate, dgamma.data(),
                       dbeta.data(), columns, dropout, options.bias ? dbias.data() : nullptr},
                      begin, end);
    }
    const std::string where = set + " " + type_name<T>() + " " + std::to_string(columns) + " columns: ";
    // The standardized numbers of bfloat16 come from sums that were rounded.
    const double one = allowance<T>(4), many = allowance<T>(4) * double(rows);
    expect_close(where + "sum", sum.values(), expected.sum, one, one);
    if (columns < 3) return;  // σ of one or two numbers magnifies every rounding
    expect_close(where + "normed", normed.values(), expected.normed, 4 * one, 4 * one);
    expect_close(where + "residual", residual_gradient.values(), expected.residual_gradient, 8 * one, 8 * one);
    const auto& dbranch = options.p > 0 ? branch_gradient : residual_gradient;
    expect_close(where + "branch", dbranch.values(), expected.branch_gradient, 8 * one, 12 * one);
    expect_close(where + "gamma", dgamma.values(), expected.gamma, 4 * many, 4 * many);
    expect_close(where + "beta", dbeta.values(), expected.beta, 2 * many, 2 * many);
    if (options.bias) expect_close(where + "bias", dbias.values(), expected.bias, 8 * many, 8 * many);
  });
}

const Case norm{
    "the CPU's residual, dropout and norm: every instruction set, type and odd width", [] {
      for (const int64_t columns : {1, 3, 16, 50, 67, 256, 300}) {
        for (const Options& options :
             {Options{true, true, false, 0.3}, Options{true, false, true, 0.0}, Options{false, true, true, 0.5},
              Options{false, false, false, 0.0}, Options{true, true, false, 0.0}, Options{true, true, false, 0.3, 0.5},
              Options{true, false, true, 0.0, 1e-12}}) {
          compare<float>(5, columns, options);
          compare<double>(5, columns, options);
          compare<Bfloat16>(5, columns, options);
        }
      }
    }};

}  // namespace
}  // namespace on_cpu
}  // namespace rdrop::test
