// The head of an encoder: dropout, dense layer with its activation, dropout, projection, of one row a sequence. n
// sequences of all passes, N of one, D width, C outputs.
#pragma once

#include "model/config.h"
#include "model/parameters.h"
#include "model/projection_loss.h"
#include "model/stack/dropout_sites.h"

namespace rdrop {

/// pooled [n,D]. Returns logits or values [n,C], without dropout.
at::Tensor head_outputs(const ModelConfig& config, const Head& head, const at::Tensor& pooled);

/// What the loss compares the outputs with: classes int32 [N], or values float64 [N].
struct HeadTargets {
  at::Tensor classes, values;
};

/// The loss and its gradients, those of the head's parameters included. gradients: on a device alone. Returns the
/// gradient of the pooled rows [n,D].
at::Tensor head_loss(const ModelConfig& config, const Head& head, DropoutSites& sites, const at::Tensor& pooled,
                     const HeadTargets& targets, const LossOptions& options, LossOutput& output,
                     DeviceGradients* gradients);

}  // namespace rdrop
