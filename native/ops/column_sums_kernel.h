// Kernel arguments of column_sums. R rows, C columns.
#pragma once

#include "device/launch.h"
#include "ops/host_device.h"

namespace rdrop {

template <typename T>
struct ColumnSums {
  const T* x;  // [R,C]
  float* out;  // [C] added to
  int64_t rows, columns;
};

template <typename T>
struct ColumnSumsLaunchers {
  /// blocks: most of them, on which the order of the sums depends. partial: scratch memory of
  /// [column_sums_ranges(R, C, blocks), C].
  void (*add)(const ColumnSums<T>&, int64_t blocks, float* partial, void* stream);
};
template <typename T>
ColumnSumsLaunchers<T> column_sums_launchers();

constexpr int64_t kColumnSumsWarps = 8;
constexpr int64_t kColumnSumsTile = 128;  // columns of a block

inline int64_t column_sums_tiles(int64_t columns) {
  return (columns + kColumnSumsTile - 1) / kColumnSumsTile;
}

/// How many ranges of rows are summed apart.
inline int64_t column_sums_ranges(int64_t rows, int64_t columns, int64_t blocks) {
  const int64_t tiles = column_sums_tiles(columns);
  if (tiles == 0 || tiles > kCounters) return 1;                          // each tile counts its ranges
  const int64_t most = (rows + kColumnSumsWarps - 1) / kColumnSumsWarps;  // a row for each warp
  const int64_t ranges = blocks / tiles < most ? blocks / tiles : most;
  return ranges < 1 ? 1 : ranges;
}

}  // namespace rdrop
