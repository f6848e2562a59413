// Bodies of dropout_residual_norm: sweeps over a row while it is in the first-level cache. Pointers are copied and
// restricted, without which no compiler sees that the row's writes leave the arguments alone.
#include "ops/dropout_residual_norm/dropout_residual_norm_kernel.h"

#include "core/kernels.h"
#include "simd/dropout_row.h"

namespace rdrop::RDROP_ISA {

/// sum = residual + dropout(sum + bias) for a run of columns. words: of the dropout, or null.
template <typename T, bool has_bias, bool has_residual, bool dropped>
inline void add_run(int64_t count, T* __restrict sum, const T* __restrict bias, const T* __restrict residual,
                    const uint32_t* __restrict words, Keep<Wide<T>> keep) {
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) {
    Wide<T> x = wide(sum[c]);
    if constexpr (has_bias) x += wide(bias[c]);
    if constexpr (dropped) x = keep(x, words[c]);
    if constexpr (has_residual) x += wide(residual[c]);
    sum[c] = rounded<T>(x);
  }
}

/// The same for one row.
template <typename T, bool has_bias, bool has_residual>
inline void add_branch(const DropoutResidualNormForward<T>& a, int64_t row, T* sum) {
  const T* residual = has_residual ? a.residual + row * a.columns : nullptr;
  const Keep<Wide<T>> keep(a.dropout);
  if (a.dropout.p <= 0) {
    add_run<T, has_bias, has_residual, false>(a.columns, sum, a.bias, residual, nullptr, keep);
    return;
  }
  const int64_t masked = a.dropout.mask_row(row);
  visit_dropout_words(a.dropout, masked, a.columns, [&](int64_t column, int64_t count, const uint32_t* words) {
    add_run<T, has_bias, has_residual, true>(count, sum + column, has_bias ? a.bias + column : nullptr,
                                             has_residual ? residual + column : nullptr, words, keep);
  });
}

template <typename T, bool has_bias, bool has_residual>
void norm_rows(const DropoutResidualNormForward<T>& a, int64_t begin, int64_t end) {
  using W = Wide<T>;
  const int64_t columns = a.columns;
  const W* __restrict gamma = a.gamma;
  const W* __restrict beta = a.beta;
  for (int64_t row = begin; row < end; ++row) {
    const T* sum = a.sum + row * columns;
    T* __restrict normed = a.normed + row * columns;
    add_branch<T, has_bias, has_residual>(a, row, a.sum + row * columns);
    W total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t c = 0; c < columns; ++c) total += wide(sum[c]);
    const W mean = total / W(columns);
    W squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t c = 0; c < columns; ++c) {
      const W centered = wide(sum[c]) - mean;
      squares += centered * centered;
    }
    const W rstd = W(1) / W(__builtin_sqrt(double(squares / W(columns)) + a.epsilon));
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) {
      normed[c] = rounded<T>(standardized(wide(sum[c]), mean, rstd) * gamma[c] + beta[c]);
    }
    a.mean[row] = mean;
    a.rstd[row] = rstd;
  }
}

template <typename T>
void dropout_residual_norm_forward(const DropoutResidualNormForward<T>& a, int64_t begin, int64_t end) {
  if (a.bias) {
    a.residual ? norm_rows<T, true, true>(a, begin, end) : norm_rows<T, true, false>(a, begin, end);
  } else {
    a.residual ? norm_rows<T, false, true>(a, begin, end) : norm_rows<T, false, false>(a, begin, end);
  }
}

/// The gradient of the branch from that of the sum, for one row, and its part of the bias's gradient. Without dropout
/// both gradients are one, and lie in one place.
template <typename T>
inline void branch_gradient_row(const DropoutResidualNormBackward<T>& a, int64_t row, const T* dsum) {
  using W = Wide<T>;
  const T* gradient = dsum;
  W* __restrict bias = a.bias_gradient;
  if (a.dropout.p > 0) {
    T* branch = a.branch_gradient + row * a.columns;
    gradient = branch;
    const Keep<W> keep(a.dropout);
    const int64_t masked = a.dropout.mask_row(row);
    visit_dropout_words(a.dropout, masked, a.columns, [&](int64_t column, int64_t count, const uint32_t* words) {
      const T* __restrict from = dsum + column;
      T* __restrict to = branch + column;
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) to[i] = rounded<T>(keep(wide(from[i]), words[i]));
    });
  }
  if (bias) {
#pragma omp simd
    for (int64_t c = 0; c < a.columns; ++c) bias[c] += wide(gradient[c]);
  }
}

template <typename T>
void dropout_residual_norm_backward(const DropoutResidualNormBackward<T>& a, int64_t begin, int64_t end) {
  using W = Wide<T>;
  const int64_t columns = a.columns;
  const W* __restrict gamma = a.gamma;
  W* __restrict gamma_gradient = a.gamma_gradient;
  W* __restrict beta_gradient = a.beta_gradient;
  for (int64_t row = begin; row < end; ++row) {
    const T* __restrict dy = a.normed_gradient + row * columns;
    const T* __restrict sum = a.sum + row * columns;
    T* __restrict dsum = a.residual_gradient + row * columns;
    const W mean = a.mean[row], rstd = a.rstd[row];
    W g_sum = 0, gx_sum = 0;
#pragma omp simd reduction(+ : g_sum, gx_sum)
    for (int64_t c = 0; c < columns; ++c) {
      const W y = wide(dy[c]), x = standardized(wide(sum[c]), mean, rstd);
      const W g = y * gamma[c];
      gamma_gradient[c] += y * x;
      beta_gradient[c] += y;
      g_sum += g;
      gx_sum += g * x;
    }
    const W g_mean = g_sum / W(columns), gx_mean = gx_sum / W(columns);
    const T* __restrict extra = a.sum_gradient ? a.sum_gradient + row * columns : nullptr;
    const auto gradient = [&](int64_t c) {
      return norm_gradient(wide(dy[c]) * gamma[c], standardized(wide(sum[c]), mean, rstd), rstd, g_mean, gx_mean);
    };
    if (extra) {
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) dsum[c] = rounded<T>(gradient(c) + wide(extra[c]));
    } else {
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) dsum[c] = rounded<T>(gradient(c));
    }
    branch_gradient_row(a, row, dsum);
  }
}

template <typename T>
constexpr DropoutResidualNormKernels<T> table = {dropout_residual_norm_forward<T>, dropout_residual_norm_backward<T>};

template <>
const DropoutResidualNormKernels<float>& kernels() {
  return table<float>;
}
template <>
const DropoutResidualNormKernels<double>& kernels() {
  return table<double>;
}
template <>
const DropoutResidualNormKernels<Bfloat16>& kernels() {
  return table<Bfloat16>;
}

}  // namespace rdrop::RDROP_ISA
