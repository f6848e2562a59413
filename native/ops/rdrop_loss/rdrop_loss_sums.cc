// The faults among the six numbers that a device's loss adds up (LossSumPlace), told as the CPU's body tells them.
// Apart from the launches because librdrop_cuda.so needs it as well as the core.
#include <cmath>

#include "core/errors.h"
#include "ops/rdrop_loss/rdrop_loss.h"

namespace rdrop {

void check_sums(const double* sums) {
  if (!(sums[sum_faults] > 0)) return;
  const double whole = std::floor(sums[sum_first_fault]);
  const auto position = static_cast<int64_t>(whole) - 1;
  const int kind = static_cast<int>((sums[sum_first_fault] - whole) * fault_kinds);
  if (kind == fault_target) {
    fail("TOKEN_OUT_OF_RANGE", "targets[", position, "]: expected a class of the logits or the ignored index");
  }
  if (kind == fault_overflow) {
    fail("NON_FINITE", "the losses at position ", position, " overflow: its logits lie too far apart for their type");
  }
  fail("NON_FINITE", "logits of pass ", kind, " at position ", position,
       ": expected finite numbers, got NaN or infinity");
}

}  // namespace rdrop
