// The input of a captured step: every index array of a padded batch in one buffer of int32 on the device, so that one
// copy brings a batch; the values of a regression are a second one.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/transformer.h"
#include "training/bucket.h"

namespace rdrop {

class DeviceInput {
 public:
  DeviceInput(Device& device, const Bucket& bucket, const ModelConfig& config, int passes);

  /// Brings a batch; earlier steps that read the buffer come first.
  void fill(Device& device, const PackedBatch& batch, int32_t ignored);

  const StepInput& input() const { return input_; }

 private:
  Bucket bucket_;
  ModelConfig config_;
  int passes_;
  at::Tensor indices_;  // int32 [everything]
  StepInput input_;     // views of it
};

}  // namespace rdrop
