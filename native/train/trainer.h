// One update: forward of both passes, loss, backward, clipping, fairseq's Adam, schedule. P parameters.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "model/transformer.h"
#include "ops/adam.h"

namespace rdrop {

struct OptimizerOptions {
  double learning_rate, warmup_init_learning_rate;
  int64_t warmup_updates;
  bool inverse_sqrt;  ///< otherwise constant
  AdamOptions adam;
  double clip_norm;  ///< 0: no clipping
};

/// The rate of the update that follows `updates` done ones: linear warm-up, then ∝ 1/√updates
/// (fairseq/optim/lr_scheduler/inverse_square_root_schedule.py).
double learning_rate(const OptimizerOptions& options, int64_t updates);

struct StepResult {
  LossSums sums;
  int64_t update, pairs, source_tokens;
  double learning_rate, gradient_norm;
};

class Trainer {
 public:
  Trainer(std::shared_ptr<Transformer> model, const OptimizerOptions& optimizer, const LossOptions& loss);

  /// One update from the summed gradients of all batches. Throws NON_FINITE, leaving parameters and moments as they
  /// were, when loss or gradient is not finite.
  StepResult step(const std::vector<PackedBatch>& batches);

  int64_t update() const { return update_; }
  void set_update(int64_t update) { update_ = update; }
  at::Tensor& first_moment() { return first_moment_; }
  at::Tensor& second_moment() { return second_moment_; }
  Transformer& model() { return *model_; }
  int64_t bytes() const { return 2 * first_moment_.nbytes(); }

 private:
  std::shared_ptr<Transformer> model_;
  OptimizerOptions optimizer_;
  LossOptions loss_;
  int64_t update_ = 0;
  at::Tensor first_moment_, second_moment_;  // [P]
};

}  // namespace rdrop
