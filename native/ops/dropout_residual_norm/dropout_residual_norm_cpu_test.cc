// dropout_residual_norm on the CPU, in every instruction set and type, against its formulas in double.
#include <cmath>

#include "test/cpu_layers.h"

namespace rdrop::test {
namespace {

struct Options {
  bool residual, bias, sum_gradient;
  double p;
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
    const double rstd = 1 / std::sqrt(variance + 1e-5);
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
    const auto& kernel = kernels().layers<T>().dropout_residual_norm;
    Array<T> sum(branch.values()), normed(size), residual_gradient(size), branch_gradient(size);
    Array<W> mean{size_t(rows)}, rstd{size_t(rows)}, dgamma(width), dbeta(width), dbias(width);
    T* const separate = options.p > 0 ? branch_gradient.data() : residual_gradient.data();
    // In two ranges, as threads would.
    for (int64_t part = 0; part < 2; ++part) {
      const int64_t begin = part * rows / 2, end = (part + 1) * rows / 2;
      kernel.forward(
          {options.residual ? residual.data() : nullptr, sum.data(), gamma.data(), beta.data(), normed.data(),
           mean.data(), rstd.data(), columns, 1e-5, dropout, options.bias ? bias.data() : nullptr},
          begin, end);
      kernel.backward({normed_gradient.data(), options.sum_gradient ? sum_gradient.data() : nullptr, sum.data(),
                       gamma.data(), mean.data(), rstd.data(), residual_gradient.data(), separate, dgamma.data(),
                       dbeta.data(), columns, dropout, options.bias ? dbias.data() : nullptr},
                      begin, end);
    }
    const std::string where = set + " " + type_name<T>() + " " + std::to_string(columns) + " columns: ";
    // The standardised numbers of bfloat16 come from sums that were rounded.
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

const Case norm{"the CPU's residual, dropout and norm: every instruction set, type and odd width", [] {
                  for (const int64_t columns : {1, 3, 16, 50, 67, 256, 300}) {
                    for (const Options& options : {Options{true, true, false, 0.3}, Options{true, false, true, 0.0},
                                                   Options{false, true, true, 0.5}, Options{false, false, false, 0.0},
                                                   Options{true, true, false, 0.0}}) {
                      compare<float>(5, columns, options);
                      compare<double>(5, columns, options);
                      compare<Bfloat16>(5, columns, options);
                    }
                  }
                }};

}  // namespace
}  // namespace rdrop::test
