// What a trainer resumes from, besides the moments.
#pragma once

#include <cstdint>

namespace rdrop {

struct TrainerCounters {
  int64_t update = 0;
  int64_t applied = 0;  ///< updates that were not skipped; the schedule follows these
  double loss_scale = 1;
  int64_t last_overflow = -1;
};

}  // namespace rdrop
