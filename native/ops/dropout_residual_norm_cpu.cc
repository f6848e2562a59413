// dropout_residual_norm on the CPU: rows over threads; gradients of gamma and beta are summed over a fixed number of
// ranges of rows, so that they do not depend on the number of threads.
#include "ops/dropout_residual_norm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include "device/device.h"
#include "ops/dispatch.h"

namespace rdrop {

Normed dropout_residual_norm(const at::Tensor& branch, const at::Tensor& residual, const at::Tensor& gamma,
                             const at::Tensor& beta, const Dropout& dropout) {
  if (Device* device = current_device()) {
    return dropout_residual_norm_on(*device, branch, residual, gamma, beta, dropout);
  }
  const int64_t rows = branch.size(0), columns = branch.size(1);
  Normed result{branch, at::empty_like(branch), at::empty({rows}, branch.options()),
                at::empty({rows}, branch.options())};
  dispatch_floating(branch, [&](auto zero) {
    using T = decltype(zero);
    const DropoutResidualNormForward<T> arguments{residual.defined() ? residual.const_data_ptr<T>() : nullptr,
                                                  result.sum.mutable_data_ptr<T>(),
                                                  gamma.const_data_ptr<T>(),
                                                  beta.const_data_ptr<T>(),
                                                  result.normed.mutable_data_ptr<T>(),
                                                  result.mean.mutable_data_ptr<T>(),
                                                  result.rstd.mutable_data_ptr<T>(),
                                                  columns,
                                                  kNormEpsilon,
                                                  dropout};
    parallel_rows(rows, columns * 4, [&](int64_t begin, int64_t end) {
      kernels().layers<T>().dropout_residual_norm.forward(arguments, begin, end);
    });
  });
  return result;
}

NormedGradients dropout_residual_norm_backward(const at::Tensor& normed_gradient, const at::Tensor& sum_gradient,
                                               const Normed& saved, const at::Tensor& gamma, const Dropout& dropout,
                                               at::Tensor& gamma_gradient, at::Tensor& beta_gradient) {
  if (Device* device = current_device()) {
    return dropout_residual_norm_backward_on(*device, normed_gradient, sum_gradient, saved, gamma, dropout,
                                             gamma_gradient, beta_gradient);
  }
  constexpr int64_t ranges = 16;
  const int64_t rows = saved.sum.size(0), columns = saved.sum.size(1);
  NormedGradients result;
  result.residual = at::empty_like(saved.sum);
  result.branch = dropout.p > 0 ? at::empty_like(saved.sum) : result.residual;
  dispatch_floating(saved.sum, [&](auto zero) {
    using T = decltype(zero);
    const at::Tensor partial = at::zeros({2, ranges, columns}, saved.sum.options());
    T* partial_gamma = partial.mutable_data_ptr<T>();
    T* partial_beta = partial_gamma + ranges * columns;
    parallel_parts(ranges, [&](int64_t part, int64_t parts) {
      const DropoutResidualNormBackward<T> arguments{
          normed_gradient.const_data_ptr<T>(),
          sum_gradient.defined() ? sum_gradient.const_data_ptr<T>() : nullptr,
          saved.sum.const_data_ptr<T>(),
          gamma.const_data_ptr<T>(),
          saved.mean.const_data_ptr<T>(),
          saved.rstd.const_data_ptr<T>(),
          result.residual.mutable_data_ptr<T>(),
          result.branch.mutable_data_ptr<T>(),
          partial_gamma + part * columns,
          partial_beta + part * columns,
          columns,
          dropout};
      kernels().layers<T>().dropout_residual_norm.backward(arguments, rows * part / parts, rows * (part + 1) / parts);
    });
    T* total_gamma = gamma_gradient.mutable_data_ptr<T>();
    T* total_beta = beta_gradient.mutable_data_ptr<T>();
    for (int64_t part = 0; part < ranges; ++part) {
      for (int64_t c = 0; c < columns; ++c) {
        total_gamma[c] += partial_gamma[part * columns + c];
        total_beta[c] += partial_beta[part * columns + c];
      }
    }
  });
  return result;
}

}  // namespace rdrop
