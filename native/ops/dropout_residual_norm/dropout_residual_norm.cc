// dropout_residual_norm: tensors to arguments; on the CPU rows over threads.
#include "ops/dropout_residual_norm/dropout_residual_norm.h"

#include <algorithm>

#include "core/range_sums.h"
#include "core/scratch.h"
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/dropout_residual_norm/dropout_residual_norm_kernel.h"

namespace rdrop {

Normed dropout_residual_norm_on(Device& device, const at::Tensor& branch, const at::Tensor& residual,
                                const at::Tensor& gamma, const at::Tensor& beta, const Dropout& dropout, double epsilon,
                                const at::Tensor& normed) {
  const int64_t rows = branch.size(0), columns = branch.size(1);
  Normed result{branch, normed.defined() ? normed : device.memory().empty({rows, columns}, branch.scalar_type()),
                device.memory().empty({rows}, at::kFloat), device.memory().empty({rows}, at::kFloat)};
  dispatch_device(branch, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().dropout_residual_norm.forward(
        {residual.defined() ? elements<T>(residual) : nullptr, mutable_elements<T>(result.sum), elements<float>(gamma),
         elements<float>(beta), mutable_elements<T>(result.normed), mutable_elements<float>(result.mean),
         mutable_elements<float>(result.rstd), columns, epsilon, dropout},
        rows, device.stream());
  });
  return result;
}

NormedGradientsOnDevice dropout_residual_norm_backward_on(Device& device, const at::Tensor& normed_gradient,
                                                          const at::Tensor& sum_gradient, const Normed& saved,
                                                          const at::Tensor& gamma, const Dropout& dropout,
                                                          const at::Tensor& branch) {
  const int64_t rows = saved.sum.size(0), columns = saved.sum.size(1);
  const int64_t blocks =
      std::min<int64_t>(2 * int64_t(device.info().multiprocessors), dropout_residual_norm_blocks(rows, columns));
  NormedGradientsOnDevice result;
  result.partial = device.memory().empty({blocks, 3 * columns}, at::kFloat);
  result.inputs.residual = device.memory().empty({rows, columns}, saved.sum.scalar_type());
  result.inputs.branch = branch.defined() ? branch
                         : dropout.p > 0  ? device.memory().empty({rows, columns}, saved.sum.scalar_type())
                                          : result.inputs.residual;
  dispatch_device(saved.sum, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().dropout_residual_norm.backward(
        {elements<T>(normed_gradient), sum_gradient.defined() ? elements<T>(sum_gradient) : nullptr,
         elements<T>(saved.sum), elements<float>(gamma), elements<float>(saved.mean), elements<float>(saved.rstd),
         mutable_elements<T>(result.inputs.residual), mutable_elements<T>(result.inputs.branch), nullptr, nullptr,
         columns, dropout},
        rows, blocks, mutable_elements<float>(result.partial), device.stream());
  });
  return result;
}

// The CPU.

Normed dropout_residual_norm(const at::Tensor& branch, const at::Tensor& residual, const at::Tensor& gamma,
                             const at::Tensor& beta, const Dropout& dropout, double epsilon, const at::Tensor& bias) {
  if (Device* device = current_device()) {
    return dropout_residual_norm_on(*device, branch, residual, gamma, beta, dropout, epsilon);
  }
  const int64_t rows = branch.size(0), columns = branch.size(1);
  const at::ScalarType statistics = wide_type(branch.scalar_type());
  Normed result{branch, scratch_like(branch), scratch({rows}, statistics), scratch({rows}, statistics)};
  dispatch_layers(branch, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const DropoutResidualNormForward<T> arguments{optional_elements<T>(residual),
                                                  mutable_elements<T>(result.sum),
                                                  elements<W>(gamma),
                                                  elements<W>(beta),
                                                  mutable_elements<T>(result.normed),
                                                  mutable_elements<W>(result.mean),
                                                  mutable_elements<W>(result.rstd),
                                                  columns,
                                                  epsilon,
                                                  dropout,
                                                  optional_elements<T>(bias)};
    parallel_rows(rows, columns * 4, [&](int64_t begin, int64_t end) {
      kernels<DropoutResidualNormKernels<T>>().forward(arguments, begin, end);
    });
  });
  return result;
}

NormedGradients dropout_residual_norm_backward(const at::Tensor& normed_gradient, const at::Tensor& sum_gradient,
                                               const Normed& saved, const at::Tensor& gamma, const Dropout& dropout,
                                               at::Tensor& gamma_gradient, at::Tensor& beta_gradient,
                                               at::Tensor bias_gradient) {
  const int64_t rows = saved.sum.size(0), columns = saved.sum.size(1);
  NormedGradients result;
  result.residual = scratch_like(saved.sum);
  result.branch = dropout.p > 0 ? scratch_like(saved.sum) : result.residual;
  dispatch_layers(saved.sum, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    sum_over_ranges<W>(
        rows, columns, {&gamma_gradient, &beta_gradient, &bias_gradient}, [&](W* partial, int64_t begin, int64_t end) {
          const DropoutResidualNormBackward<T> arguments{elements<T>(normed_gradient),
                                                         optional_elements<T>(sum_gradient),
                                                         elements<T>(saved.sum),
                                                         elements<W>(gamma),
                                                         elements<W>(saved.mean),
                                                         elements<W>(saved.rstd),
                                                         mutable_elements<T>(result.residual),
                                                         mutable_elements<T>(result.branch),
                                                         partial,
                                                         partial + columns,
                                                         columns,
                                                         dropout,
                                                         bias_gradient.defined() ? partial + 2 * columns : nullptr};
          kernels<DropoutResidualNormKernels<T>>().backward(arguments, begin, end);
        });
  });
  return result;
}

}  // namespace rdrop
