// The loss of a regression with its gradient: of two passes the squared errors and the squared difference between them
// (dropreg's STS-B), of one pass the squared error. P passes, N sequences of one pass, p predictions, y values.
//
//   loss = sum_n (p1 - y)² + (p2 - y)² + alpha (p1 - p2)²          undivided, as rdrop_loss
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/rdrop_loss/rdrop_loss.h"

namespace rdrop {

/// predictions [P·N,1] or [P·N], contiguous, rows 0..N-1 of pass 1, float32, float64 or bfloat16; values float64 [N],
/// where NaN stands for padding: no part in the losses and in N, gradient 0. gradient, of the predictions' type and
/// shape, is overwritten and may be the predictions; undefined: losses alone. Of the options passes, pass_reduction,
/// alpha and kl_sum count, as in rdrop_loss. cross_entropy and nll are the squared errors, kl the squared difference.
/// Throws NON_FINITE, naming position and pass. On the CPU; the same on a device is squared_error_on.
LossSums squared_error(const at::Tensor& predictions, const at::Tensor& values, const LossOptions& options,
                       at::Tensor& gradient);

/// The same on a device, without waiting, as rdrop_loss_on: float32, bfloat16 or float16; values on the device, of the
/// whole batch where kl_sum is set. A prediction that is not finite has the gradient NaN and no part in the losses.
void squared_error_on(Device& device, const at::Tensor& predictions, const at::Tensor& values,
                      const LossOptions& options, at::Tensor& gradient, DeviceLossSums* sums, int64_t first_position,
                      const float* gradient_scale);

}  // namespace rdrop
