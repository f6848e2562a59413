// Output projection and R-Drop loss straight from the hidden states: the [P·N,V] logits exist only some rows at a time.
// P passes, N target positions of one pass, D width, V types.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/stack/device_gradients.h"
#include "model/parameters.h"
#include "ops/rdrop_loss/rdrop_loss.h"

namespace rdrop {

/// Where the losses go: on the CPU they are there when the call returns, on a device they are added to `device_sums`,
/// and the gradient is multiplied by gradient_scale unless that is null; both on the device (rdrop_loss_on).
struct LossOutput {
  LossSums sums;
  DeviceLossSums* device_sums = nullptr;
  const float* gradient_scale = nullptr;
};

/// hidden [P·N,D], rows 0..N-1 of pass 1; projection [V,D]; targets int32 [N]; gradients: on a device alone. Returns
/// the gradient of hidden and adds that of the projection.
at::Tensor projection_loss(const at::Tensor& hidden, const Weight& projection, const at::Tensor& targets,
                           const LossOptions& options, LossOutput& output, DeviceGradients* gradients);

}  // namespace rdrop
