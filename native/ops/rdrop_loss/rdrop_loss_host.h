// What the host does around the fused loss's kernels: the options become weights, faults become errors. In a header
// because librdrop_cuda.so needs it as well as the core.
#pragma once

#include <cmath>

#include "core/errors.h"
#include "ops/rdrop_loss/rdrop_loss.h"
#include "ops/rdrop_loss/rdrop_loss_kernel.h"
#include "ops/rdrop_loss/rdrop_loss_sums.h"

namespace rdrop {

/// The options as the kernels take them.
inline LossWeights loss_weights(const LossOptions& options) {
  using Direction = LossOptions::Direction;
  const auto weight = [&](Direction one) {
    return options.direction == one ? 1.0 : options.direction == Direction::bi ? 0.5 : 0.0;
  };
  return {options.label_smoothing, options.pass_reduction == LossOptions::PassReduction::mean ? 0.5 : 1.0,
          options.alpha, weight(Direction::uni), weight(Direction::uni_reverse)};
}

/// Throws for the faults among the six numbers that a device adds up, as the CPU's body does.
inline void check_sums(const double* sums) {
  if (!(sums[sum_faults] > 0)) return;
  const double whole = std::floor(sums[sum_first_fault]);
  const auto position = static_cast<int64_t>(whole) - 1;
  const int kind = static_cast<int>((sums[sum_first_fault] - whole) * fault_kinds);
  if (kind == fault_target) {
    fail(ErrorCode::token_out_of_range, "targets[", position, "]: expected a class of the logits or the ignored index");
  }
  if (kind == fault_overflow) {
    fail(ErrorCode::non_finite, "the losses at position ", position,
         " overflow: its logits lie too far apart for their type");
  }
  fail(ErrorCode::non_finite, "logits of pass ", kind, " at position ", position,
       ": expected finite numbers, got NaN or infinity");
}

}  // namespace rdrop
