// The options of the optimizer, complete: defaults live in lib/options/optimizer.ts alone.
#pragma once

#include <vector>

#include "ops/adam/adam.h"
#include "core/schedule.h"
#include "training/update_ranges.h"

namespace rdrop {

struct OptimizerOptions {
  Schedule schedule;
  AdamOptions adam;
  double clip_norm;                    ///< 0: no clipping
  std::vector<ParameterGroup> groups;  ///< one a parameter; empty: all are updated alike
};

}  // namespace rdrop
