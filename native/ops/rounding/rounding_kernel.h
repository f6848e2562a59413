// Between products that are summed in float32 and bfloat16 in memory. R rows, C columns.
#pragma once

#include "core/element.h"

namespace rdrop {

struct Rounding {
  const float* from;  // [R,C]
  int64_t from_stride;
  const Bfloat16* bias;  // [C] added first, or null
  Bfloat16* to;          // [R,C]
  int64_t to_stride;
  int64_t columns;
  bool add;  ///< to what is there
};

struct RoundingKernels {
  /// Rows [begin, end): to = from + bias (+ to), rounded once.
  void (*round)(const Rounding&, int64_t begin, int64_t end);
  /// Elements [begin, end): to += from.
  void (*add_widened)(const Bfloat16* from, float* to, int64_t begin, int64_t end);
};

}  // namespace rdrop
