// One update: forward of both passes, loss, backward, clipping, fairseq's Adam, schedule. P parameters.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/scratch.h"
#include "model/transformer.h"
#include "training/counters.h"
#include "training/device_step.h"
#include "training/gradient_exchange.h"
#include "training/optimizer_options.h"

namespace rdrop {

/// What one or more updates did. Sums over all of them, but for the learning rate, which is that of the last.
struct StepMetrics {
  LossSums sums;
  double gradient_norm = 0;  ///< of the gradient per token, before clipping
  double learning_rate = 0;
  int64_t steps = 0;
  int64_t skipped = 0;  ///< left out because their gradient overflowed (fp16)
  double loss_scale = 1;
  int64_t graphs = 0;                 ///< recorded so far
  int64_t shapes_without_graph = 0;   ///< that were used more than once
  std::string graph_fallback_reason;  ///< why steps are launched kernel by kernel; empty: they are graphs
};

struct StepResult {
  int64_t update, pairs, source_tokens, tokens;  ///< of all ranks, as the metrics
  uint32_t flags;                                ///< bitwise or of the ranks'
  std::optional<StepMetrics> metrics;            ///< on a device nothing: metrics() reads them
};

class Trainer {
 public:
  Trainer(std::shared_ptr<Transformer> model, const OptimizerOptions& optimizer, const LossOptions& loss,
          std::optional<Distributed> distributed = std::nullopt);

  /// One update from the summed gradients of all batches, which are those of this rank: maybe none. On the CPU throws
  /// NON_FINITE, leaving parameters and moments as they were, when loss or gradient is not finite; on a device
  /// metrics() does. Throws RANK_LOST, RANK_FAILED; an error of this rank alone fails the group.
  StepResult step(const std::vector<PackedBatch>& batches, uint32_t flags = 0);

  /// On a device: of the updates since the last call; waits. Throws NON_FINITE: the parameters are then those before
  /// the update that it names, and so is update().
  StepMetrics metrics();

  int64_t update() const { return update_; }
  TrainerCounters counters();
  void set_counters(const TrainerCounters& counters);
  /// [P], laid out as the parameters.
  at::Tensor& moment(bool second) {
    if (device_step_) return second ? device_step_->second_moment() : device_step_->first_moment();
    return second ? second_moment_ : first_moment_;
  }
  Transformer& model() { return *model_; }
  int64_t bytes() const { return device_step_ ? 0 : 2 * first_moment_.nbytes(); }

 private:
  StepResult step_of_all(const std::vector<PackedBatch>& batches, uint32_t flags);
  /// The gradients of the batches and what they are shared with, of all ranks.
  UpdateShare gradients_of_all(const std::vector<PackedBatch>& batches, UpdateShare share, LossSums& sums);
  StepMetrics update_on_cpu(const LossSums& sums);
  double squares_on_cpu() const;
  void adam_on_cpu(double learning_rate, double gradient_scale);

  ScratchUse scratch_;  // the first, so that it goes last
  std::shared_ptr<Transformer> model_;
  OptimizerOptions optimizer_;
  LossOptions loss_;
  std::optional<Distributed> distributed_;
  int64_t update_ = 0;
  bool of_all_ = false;  // whether the step under way has the gradient of all ranks, whose fault all then see alike
  at::Tensor first_moment_, second_moment_;    // [P]; on the CPU
  std::vector<UpdateRange> ranges_, trained_;  // what is updated how, and what has a norm; empty: all of it, alike
  std::unique_ptr<DeviceStep> device_step_;    // on a device
};

}  // namespace rdrop
