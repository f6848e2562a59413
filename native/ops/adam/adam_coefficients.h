// What an optimizer step on a device reads there: it is known once the norm of the gradient is.
#pragma once

#include <stdint.h>

namespace rdrop {

/// What changes from update to update; on a device it is read when the kernel runs.
struct AdamCoefficients {
  float gradient_scale;  ///< as in AdamStep
  float decay;
  float step_size;
  int32_t apply;  ///< 0: nothing changes, but the gradient is cleared all the same
};

}  // namespace rdrop
