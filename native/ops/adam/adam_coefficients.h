// What an optimizer step on a device reads there: what is known once the norm of the gradient is, and which parameters
// are updated how.
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

/// Elements begin..end of the buffers and how they are updated.
struct AdamRange {
  int64_t begin, end;
  float rate;   ///< step_size times this
  float decay;  ///< decay times this
};

}  // namespace rdrop
