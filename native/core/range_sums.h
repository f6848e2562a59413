// Sums over rows that come out alike for any number of threads: a fixed number of ranges of rows, each with partial
// sums of its own, which are then added in their order.
#pragma once

#include <algorithm>
#include <utility>

#include "core/dispatch.h"
#include "core/scratch.h"

namespace rdrop {

constexpr int64_t kSumRanges = 16;

/// Calls f(partial, begin, end) for each range, in parallel: partial [sums, columns] starts at zero. Adds the partial
/// sums to targets[i] [columns] of type W; an undefined target's are dropped.
template <typename W, size_t sums, typename F>
void sum_over_ranges(int64_t rows, int64_t columns, at::Tensor* const (&targets)[sums], const F& f) {
  const int64_t ranges = std::min(kSumRanges, std::max<int64_t>(1, rows)), size = int64_t(sums) * columns;
  const at::Tensor memory = scratch({ranges, size}, c10::CppTypeToScalarType<W>::value);
  W* partial = mutable_elements<W>(memory);
  parallel_parts(ranges, rows * size / kElementsWorthAThread, [&](int64_t part, int64_t parts) {
    W* own = partial + part * size;
    std::fill(own, own + size, W(0));
    f(own, rows * part / parts, rows * (part + 1) / parts);
  });
  for (size_t i = 0; i < sums; ++i) {
    if (!targets[i]->defined()) continue;
    W* total = mutable_elements<W>(*targets[i]);
    for (int64_t part = 0; part < ranges; ++part) {
      const W* own = partial + part * size + int64_t(i) * columns;
      for (int64_t c = 0; c < columns; ++c) total[c] += own[c];
    }
  }
}

}  // namespace rdrop
