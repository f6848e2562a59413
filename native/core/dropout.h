// Dropout masks by the row. A row of C columns takes Q = ceil(C / 4) applications of Philox; word w of application l
// decides column w·Q + l, so that each word's columns are contiguous. The counter is (row in its pass × Q + l, update,
// site and pass), the key that of (seed, role).
#pragma once

#include "core/philox.h"

namespace rdrop {

/// Dropout over packed rows: rows [0, pass_rows) belong to pass 1, the rest to pass 2.
struct Dropout {
  double p;           ///< probability of dropping; 0 switches dropout off
  int64_t pass_rows;  ///< rows of pass 1
  DropoutStream stream;

  /// On the CPU: which of the mask's rows a row of the tensor has.
  int64_t mask_row(int64_t row) const { return stream.rows ? stream.rows[row] : row; }
};

namespace RDROP_ISA {

/// What Philox is applied to for application l of a row: counter (first + l, c2, c3), key (k0, k1).
struct DropoutCounter {
  uint64_t first;
  uint32_t c2, c3, k0, k1;
};

RDROP_INLINE DropoutCounter dropout_counter(const Dropout& dropout, uint64_t update, int64_t row, int64_t quarter) {
  const uint32_t pass = row >= dropout.pass_rows ? 1 : 0;
  const uint64_t row_in_pass = uint64_t(pass ? row - dropout.pass_rows : row);
  return {row_in_pass * uint64_t(quarter), uint32_t(update),
          (dropout.stream.site << 1 | pass) ^ uint32_t(update >> 32) << 16, uint32_t(dropout.stream.key),
          uint32_t(dropout.stream.key >> 32)};
}

}  // namespace RDROP_ISA
}  // namespace rdrop
