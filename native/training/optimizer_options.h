// The options of the optimizer, complete: defaults live in lib/options/optimizer.ts alone.
#pragma once

#include "ops/adam/adam.h"
#include "core/schedule.h"

namespace rdrop {

struct OptimizerOptions {
  Schedule schedule;
  AdamOptions adam;
  double clip_norm;  ///< 0: no clipping
};

}  // namespace rdrop
