// The arithmetic of the squared error, in double on every device, and the arguments of its kernel. N sequences of one
// pass.
#pragma once

#include <stdint.h>

#include "core/host_device.h"
#include "device/loss_sums.h"

namespace rdrop {

template <typename T>
struct SquaredErrorOnDevice {
  /// [N] each; second null: one pass.
  const T* predictions1;
  const T* predictions2;
  /// [N] each; may be the predictions. Null: losses alone, or of one pass.
  T* gradient1;
  T* gradient2;
  /// [N]; NaN: padding.
  const double* values;
  int64_t sequences;
  /// Weight of each pass's squared error, and of the squared difference.
  double pass_weight, alpha;
  /// 1: alpha counts once for each sequence that is not padding. A whole word, as mirrors.h wants it.
  int64_t alpha_by_sequences;
  /// Every gradient is multiplied by it; null: by 1.
  const float* gradient_scale;
  /// Added to the positions of faults.
  int64_t first_position;
  /// Added to.
  DeviceLossSums* sums;
};

template <typename T>
struct SquaredErrorLaunchers {
  void (*loss)(const SquaredErrorOnDevice<T>& arguments, void* stream);
};
template <typename T>
const SquaredErrorLaunchers<T>& squared_error_launchers();

namespace RDROP_ISA {

/// What one sequence adds to the sums, and its gradients.
struct SquaredErrorRow {
  double error, difference, gradient1, gradient2;
  LossFault fault;
};

/// False for NaN and infinity.
RDROP_INLINE bool finite(double x) {
  return x - x == 0;
}

RDROP_INLINE SquaredErrorRow squared_error_row(double p1, double p2, double value, bool pair, double pass_weight,
                                               double alpha) {
  const double error1 = p1 - value, error2 = pair ? p2 - value : 0, apart = pair ? p1 - p2 : 0;
  SquaredErrorRow row{pass_weight * (error1 * error1 + error2 * error2), apart * apart,
                      2 * pass_weight * error1 + 2 * alpha * apart, 2 * pass_weight * error2 - 2 * alpha * apart,
                      fault_none};
  if (!finite(p1)) {
    row.fault = fault_pass1;
  } else if (pair && !finite(p2)) {
    row.fault = fault_pass2;
  } else if (!finite(row.error) || !finite(row.difference)) {
    row.fault = fault_overflow;
  }
  return row;
}

}  // namespace RDROP_ISA
}  // namespace rdrop
