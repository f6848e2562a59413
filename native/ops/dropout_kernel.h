// Dropout masks by the row. A row of C columns takes Q = ceil(C / 4) applications of Philox; word w of application l
// decides column w·Q + l, so that each word's columns are contiguous. The counter is (row in its pass × Q + l, update,
// site and pass), the key that of (seed, role).
#pragma once

#include "ops/philox.h"

namespace rdrop {

/// Dropout over packed rows: rows [0, pass_rows) belong to pass 1, the rest to pass 2.
struct Dropout {
  double p;           ///< probability of dropping; 0 switches dropout off
  int64_t pass_rows;  ///< rows of pass 1
  DropoutStream stream;
};

}  // namespace rdrop
