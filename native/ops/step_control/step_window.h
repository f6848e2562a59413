// What a trainer on a device reports.
#pragma once

#include <stdint.h>

namespace rdrop {

/// The metrics of the steps since they were last read; sums over target positions, natural logarithm.
struct StepWindow {
  double cross_entropy, nll, kl, tokens;
  double weighted_kl;    ///< as in DeviceLossSums
  double gradient_norm;  ///< sum over the steps; of the gradient per token, before clipping
  double learning_rate;  ///< of the last step
  int64_t steps;         ///< applied
  int64_t skipped;       ///< left out because fp16's gradient overflowed
};

}  // namespace rdrop
