// dropout_residual_norm on a device: tensors to arguments.
#include "device/device.h"
#include "device/dispatch.h"
#include "device/grid_sum.h"
#include "ops/dropout_residual_norm/dropout_residual_norm.h"

namespace rdrop {

Normed dropout_residual_norm_on(Device& device, const at::Tensor& branch, const at::Tensor& residual,
                                const at::Tensor& gamma, const at::Tensor& beta, const Dropout& dropout) {
  const int64_t rows = branch.size(0), columns = branch.size(1);
  Normed result{branch, device.empty({rows, columns}, branch.scalar_type()), device.empty({rows}, at::kFloat),
                device.empty({rows}, at::kFloat)};
  dispatch_device(branch, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().dropout_residual_norm.forward(
        {residual.defined() ? elements<T>(residual) : nullptr, mutable_elements<T>(result.sum), elements<float>(gamma),
         elements<float>(beta), mutable_elements<T>(result.normed), mutable_elements<float>(result.mean),
         mutable_elements<float>(result.rstd), columns, kNormEpsilon, dropout},
        rows, device.stream());
  });
  return result;
}

NormedGradients dropout_residual_norm_backward_on(Device& device, const at::Tensor& normed_gradient,
                                                  const at::Tensor& sum_gradient, const Normed& saved,
                                                  const at::Tensor& gamma, const Dropout& dropout,
                                                  at::Tensor& gamma_gradient, at::Tensor& beta_gradient) {
  const int64_t rows = saved.sum.size(0), columns = saved.sum.size(1);
  const int64_t blocks = 2 * int64_t(device.info().multiprocessors);
  at::Tensor partial = device.empty({portable::grid_sum_rows(blocks), 2 * columns}, at::kFloat);
  NormedGradients result;
  result.residual = device.empty({rows, columns}, saved.sum.scalar_type());
  result.branch = dropout.p > 0 ? device.empty({rows, columns}, saved.sum.scalar_type()) : result.residual;
  dispatch_device(saved.sum, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().dropout_residual_norm.backward(
        {elements<T>(normed_gradient), sum_gradient.defined() ? elements<T>(sum_gradient) : nullptr,
         elements<T>(saved.sum), elements<float>(gamma), elements<float>(saved.mean), elements<float>(saved.rstd),
         mutable_elements<T>(result.residual), mutable_elements<T>(result.branch),
         mutable_elements<float>(gamma_gradient), mutable_elements<float>(beta_gradient), columns, dropout},
        rows, blocks, mutable_elements<float>(partial), device.stream());
  });
  return result;
}

}  // namespace rdrop
