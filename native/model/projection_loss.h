// Output projection and R-Drop loss straight from the hidden states: the [2N,V] logits exist only some rows at a time.
// N target positions of one pass, D width, V types.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/parameters.h"
#include "ops/rdrop_loss.h"

namespace rdrop {

/// hidden [2N,D], rows 0..N-1 of pass 1; projection [V,D]; targets int32 [N]. The returned scalar starts the backward
/// pass; `sums` receives the figures. The gradient of the projection is added at once, so a backward pass must follow.
at::Tensor projection_loss(const at::Tensor& hidden, const Weight& projection, const at::Tensor& targets,
                           const LossOptions& options, LossSums& sums);

}  // namespace rdrop
