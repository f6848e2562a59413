// What a device adds up over the positions of a batch, while a step is under way.
#pragma once

#include <stdint.h>

namespace rdrop {

/// What is wrong with a target position: a logit of pass 1 or 2 is NaN or infinite; the losses overflow; the target is
/// no class (the CPU refuses those before it starts).
enum LossFault : int32_t { fault_none = 0, fault_pass1 = 1, fault_pass2 = 2, fault_overflow = 3, fault_target = 4 };

struct PositionFault {
  int64_t position;
  LossFault kind;  ///< fault_none: there is no such position
};

/// In a device's memory. A faulty position has no part in the losses and tokens.
struct DeviceLossSums {
  /// These and the next number are summed over the ranks of a run (DeviceStep::exchange_by_device).
  double cross_entropy, nll, kl, tokens;
  /// kl with the batches' own factors of alpha (kl_sum), else the same as kl: the loss is cross_entropy + alpha times
  /// it.
  double weighted_kl;
  double positions;      ///< of the batch under way that are not ignored; where kl_sum wants to know
  int64_t faults;        ///< faulty positions
  PositionFault first;   ///< of the smallest of them
  uint32_t blocks_done;  ///< of the launch under way; zero between launches
};

}  // namespace rdrop
