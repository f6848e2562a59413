// What a trainer keeps on a device, so that a step needs nothing from the host: counters, the loss scale, the
// coefficients of the optimizer, the metrics since they were last read. Two kernels of one thread: `begin` before each
// forward pass, `finish` between the norm of the gradient and the optimizer.
//
// The loss scale is fairseq's (fairseq/optim/dynamic_loss_scaler.py, tolerance 0): halved when a gradient is not
// finite, whose step is left out; doubled after `scale_window` steps without.
#pragma once

#include "core/host_device.h"
#include "ops/adam/adam_coefficients.h"
#include "device/loss_sums.h"
#include "core/schedule.h"
#include "ops/step_control/step_window.h"

namespace rdrop {

struct StepState {
  int64_t attempts;       ///< steps begun and applied or skipped, of the whole training
  int64_t updates;        ///< steps applied
  uint64_t mask;          ///< attempts << 16 | number of the batch in the update: what dropout draws from
  int64_t micro_batch;    ///< of the step under way, on this device
  float loss_scale;       ///< 1 unless dynamic
  int64_t last_overflow;  ///< the attempt, counted from 0, whose gradient overflowed last; -1: none
  /// The attempt, counted from 1, after which nothing is applied any more because its gradient was not finite; 0: none.
  int64_t failed;
  PositionFault fault;  ///< its first faulty position
  /// The attempt, counted from 1, after which nothing is applied any more because not all ranks had a part in its
  /// gradient; 0: none.
  int64_t incomplete;
  double present;       ///< ranks whose numbers `sums` and the gradient hold; 1 until they are summed
  DeviceLossSums sums;  ///< of the step under way: rdrop_loss_on
  double squares;       ///< Σ gradient²
  AdamCoefficients coefficients;
  StepWindow window;
};

/// What does not change from step to step.
struct StepControl {
  StepState* state;
  Schedule schedule;
  double beta1, beta2, weight_decay;
  double clip_norm;             ///< 0: no clipping
  int64_t dynamic_scale;        ///< 1: fp16, or 0
  int64_t scale_window;         ///< steps without overflow after which the loss scale doubles
  int64_t rank = 0, ranks = 1;  ///< micro-batch i is number i·ranks + rank of the update
};

/// A loss scale at or below this ends the training (fairseq's --min-loss-scale).
constexpr double kLeastLossScale = 1e-4;
/// fairseq's --fp16-init-scale.
constexpr float kFirstLossScale = 128;

struct StepLaunchers {
  void (*begin)(const StepControl&, void* stream);
  void (*finish)(const StepControl&, void* stream);
};
const StepLaunchers& step_launchers();

namespace RDROP_ISA {

RDROP_INLINE void begin_step(const StepControl& control) {
  StepState& s = *control.state;
  if (s.micro_batch == 0) s.sums = {};
  s.mask = uint64_t(s.attempts) << 16 | uint64_t(s.micro_batch * control.ranks + control.rank);
  ++s.micro_batch;
}

/// Of update t, counted from 1: decay lr·wd, step lr·√(1-β2^t) / (1-β1^t).
RDROP_INLINE AdamCoefficients adam_coefficients(const StepControl& control, double rate, double gradient_scale,
                                                int64_t update) {
  const double correction1 = 1.0 - __builtin_pow(control.beta1, double(update));
  const double correction2 = 1.0 - __builtin_pow(control.beta2, double(update));
  return {float(gradient_scale), float(rate * control.weight_decay),
          float(rate * __builtin_sqrt(correction2) / correction1), 1};
}

/// A step whose gradient is not finite: its loss scale was too large, or the training has failed.
RDROP_INLINE void refuse_step(const StepControl& control) {
  StepState& s = *control.state;
  const float halved = s.loss_scale / 2;
  if (control.dynamic_scale && double(halved) > kLeastLossScale) {
    s.last_overflow = s.attempts;
    s.loss_scale = halved;
    ++s.window.skipped;
    ++s.attempts;
  } else {
    s.failed = s.attempts + 1;
    s.fault = s.sums.first;
  }
}

RDROP_INLINE void finish_step(const StepControl& control) {
  StepState& s = *control.state;
  s.micro_batch = 0;
  s.coefficients.apply = 0;
  const bool complete = s.present == double(control.ranks);
  s.present = 1;
  if (!complete && s.incomplete == 0) s.incomplete = s.attempts + 1;
  if (s.failed || s.incomplete) return;
  const double tokens = s.sums.tokens > 1 ? s.sums.tokens : 1.0;
  const double norm = __builtin_sqrt(s.squares) / (tokens * double(s.loss_scale));
  if (!(norm < 1e300)) {  // NaN as well
    refuse_step(control);
    return;
  }
  double scale = 1 / (tokens * double(s.loss_scale));
  // As torch.nn.utils.clip_grad_norm_ does.
  if (control.clip_norm > 0 && norm > control.clip_norm) scale *= control.clip_norm / (norm + 1e-6);
  const double rate = scheduled_rate(control.schedule, s.updates);
  s.coefficients = adam_coefficients(control, rate, scale, s.updates + 1);
  StepWindow& w = s.window;
  w.cross_entropy += s.sums.cross_entropy;
  w.nll += s.sums.nll;
  w.kl += s.sums.kl;
  w.weighted_kl += s.sums.weighted_kl;
  w.tokens += s.sums.tokens;
  w.gradient_norm += norm;
  w.learning_rate = rate;
  ++w.steps;
  if (control.dynamic_scale && (s.attempts - s.last_overflow) % control.scale_window == 0) s.loss_scale *= 2;
  ++s.attempts;
  ++s.updates;
}

}  // namespace RDROP_ISA
}  // namespace rdrop
