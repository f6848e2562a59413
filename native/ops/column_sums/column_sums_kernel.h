// Kernel arguments of column_sums. R rows, C columns.
#pragma once

#include "core/element.h"

namespace rdrop {

/// On the CPU.
template <typename T>
struct ColumnSumsKernels {
  /// Adds rows [begin, end) of x [R,C] to partial [C], one after the other.
  void (*add)(const T* x, int64_t columns, Wide<T>* partial, int64_t begin, int64_t end);
};

/// On a device: one matrix of several that a launch sums.
template <typename T>
struct ColumnSum {
  const T* x;  // [R,C]
  float* out;  // [ranges,C]: each range of rows has sums of its own
  int64_t rows, columns;
  int64_t stride;  ///< elements of x from a row to the next
  int64_t ranges;
  int64_t add;  ///< 1: to what out holds; 0: it is written. Wide, so that a launch's arguments have no padding
};

template <typename T>
struct ColumnSumsLaunchers {
  /// All the sums, in an order that depends on their ranges alone. No two may have a common out.
  void (*sum)(const ColumnSum<T>* sums, int64_t count, void* stream);
};
template <typename T>
const ColumnSumsLaunchers<T>& column_sums_launchers();

constexpr int64_t kColumnSumsWarps = 8;
constexpr int64_t kColumnSumsTile = 128;  // columns of a block

/// How many ranges give about `blocks` blocks: none without a row for each warp.
inline int64_t column_sums_ranges(int64_t rows, int64_t columns, int64_t blocks) {
  const int64_t tiles = (columns + kColumnSumsTile - 1) / kColumnSumsTile;
  if (tiles == 0) return 1;
  const int64_t most = (rows + kColumnSumsWarps - 1) / kColumnSumsWarps;
  const int64_t ranges = blocks / tiles < most ? blocks / tiles : most;
  return ranges < 1 ? 1 : ranges;
}

}  // namespace rdrop
