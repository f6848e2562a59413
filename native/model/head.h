// The head of an encoder: pooling, dropout, dense layer with its activation, dropout, projection. R rows of all passes,
// n sequences of them, N of one pass, D width, C outputs.
#pragma once

#include "model/config.h"
#include "model/parameters.h"
#include "model/projection_loss.h"
#include "model/sequences.h"
#include "model/stack/dropout_sites.h"

namespace rdrop {

/// states [R,D]. Returns logits or values [n,C], without dropout.
at::Tensor head_outputs(const ModelConfig& config, const Head& head, const at::Tensor& states,
                        const Sequences& sequences);

/// What the loss compares the outputs with: classes int32 [N], or values float64 [N].
struct HeadTargets {
  at::Tensor classes, values;
};

/// The loss and its gradients, those of the head's parameters included. gradients: on a device alone. Returns the
/// gradient of the states.
at::Tensor head_loss(const ModelConfig& config, const Head& head, DropoutSites& sites, const at::Tensor& states,
                     const Sequences& sequences, const HeadTargets& targets, const LossOptions& options,
                     LossOutput& output, DeviceGradients* gradients);

}  // namespace rdrop
