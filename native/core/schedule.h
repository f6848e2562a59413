// The learning rate of an update, for host and device. Sources: fairseq/optim/lr_scheduler/
// inverse_square_root_schedule.py and polynomial_decay_schedule.py, transformers/optimization.py, nanoGPT/train.py.
#pragma once

#include "core/host_device.h"

namespace rdrop {

enum class ScheduleKind : int64_t { constant, inverse_sqrt, linear, cosine, polynomial };

struct Schedule {
  double learning_rate, warmup_init_learning_rate;
  int64_t warmup_updates;
  ScheduleKind kind;
  // Of linear, cosine and polynomial alone:
  double minimum_learning_rate = 0;
  int64_t total_updates = 0;  ///< done ones at which the minimum is reached
  double power = 1;           ///< of polynomial
};

namespace RDROP_ISA {

/// The share of what lies between the minimum and the highest rate, `done` of the updates after the warm-up being over:
/// 1 at 0, 0 at 1.
RDROP_INLINE double decayed_share(const Schedule& schedule, double done) {
  constexpr double pi = 3.14159265358979323846;
  if (schedule.kind == ScheduleKind::cosine) return 0.5 * (1 + __builtin_cos(pi * done));
  return schedule.kind == ScheduleKind::polynomial ? __builtin_pow(1 - done, schedule.power) : 1 - done;
}

/// Of the update that follows `updates` done ones: linear warm-up, then ∝ 1/√updates or down to the minimum.
RDROP_INLINE double scheduled_rate(const Schedule& schedule, int64_t updates) {
  if (schedule.kind == ScheduleKind::constant) return schedule.learning_rate;
  const double warmup = double(schedule.warmup_updates), done = double(updates);
  if (updates < schedule.warmup_updates) {
    const double slope = (schedule.learning_rate - schedule.warmup_init_learning_rate) / warmup;
    return schedule.warmup_init_learning_rate + done * slope;
  }
  if (schedule.kind == ScheduleKind::inverse_sqrt)
    return schedule.learning_rate * __builtin_sqrt(warmup > 1 ? warmup : 1.0) / __builtin_sqrt(done > 1 ? done : 1.0);
  if (updates >= schedule.total_updates) return schedule.minimum_learning_rate;
  const double share = decayed_share(schedule, (done - warmup) / (double(schedule.total_updates) - warmup));
  return schedule.minimum_learning_rate + (schedule.learning_rate - schedule.minimum_learning_rate) * share;
}

}  // namespace RDROP_ISA
}  // namespace rdrop
