// The learning rate of an update (fairseq/optim/lr_scheduler/inverse_square_root_schedule.py), for host and device.
#pragma once

#include "core/host_device.h"

namespace rdrop {

struct Schedule {
  double learning_rate, warmup_init_learning_rate;
  int64_t warmup_updates;
  int64_t inverse_sqrt;  ///< 1, or 0: constant
};

namespace RDROP_ISA {

/// Of the update that follows `updates` done ones: linear warm-up, then ∝ 1/√updates.
RDROP_INLINE double scheduled_rate(const Schedule& schedule, int64_t updates) {
  if (!schedule.inverse_sqrt) return schedule.learning_rate;
  const double warmup = double(schedule.warmup_updates), done = double(updates);
  if (updates < schedule.warmup_updates) {
    const double slope = (schedule.learning_rate - schedule.warmup_init_learning_rate) / warmup;
    return schedule.warmup_init_learning_rate + done * slope;
  }
  return schedule.learning_rate * __builtin_sqrt(warmup > 1 ? warmup : 1.0) / __builtin_sqrt(done > 1 ? done : 1.0);
}

}  // namespace RDROP_ISA
}  // namespace rdrop
