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

/// On a device.
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
const ColumnSumsLaunchers<T>& column_sums_launchers();

constexpr int64_t kColumnSumsWarps = 8;
constexpr int64_t kColumnSumsTile = 128;        // columns of a block
constexpr int64_t kColumnSumsMostTiles = 1024;  // each counts its ranges, if there are more than one

inline int64_t column_sums_tiles(int64_t columns) {
  return (columns + kColumnSumsTile - 1) / kColumnSumsTile;
}

/// How many ranges of rows are summed apart.
inline int64_t column_sums_ranges(int64_t rows, int64_t columns, int64_t blocks) {
  const int64_t tiles = column_sums_tiles(columns);
  if (tiles == 0 || tiles > kColumnSumsMostTiles) return 1;
  const int64_t most = (rows + kColumnSumsWarps - 1) / kColumnSumsWarps;  // a row for each warp
  const int64_t ranges = blocks / tiles < most ? blocks / tiles : most;
  return ranges < 1 ? 1 : ranges;
}

}  // namespace rdrop
