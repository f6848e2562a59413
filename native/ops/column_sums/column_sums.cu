// column_sums on a device: a block sums a range of rows of a tile of columns of one of several matrices, and is done:
// no block waits for another. The sums of the ranges are summed by a second launch, in which they are the rows.
#include "core/dropout_block.h"
#include "device/launch.h"
#include "ops/column_sums/column_sums_kernel.h"

namespace rdrop {
namespace {

using namespace portable;

constexpr int kWarps = int(kColumnSumsWarps);
constexpr int kThreads = kWarps * 32;
constexpr int kTile = int(kColumnSumsTile);  // four columns a lane
/// Matrices of a launch; the arguments of a kernel have 4 KiB.
constexpr int kMostSums = 56;
/// Rows that a warp has under way at a time.
constexpr int kRows = 4;

/// Shared memory: [kWarps, kTile] sums of the warps.
template <typename T>
struct SumKernel {
  static constexpr int max_threads = kThreads;
  static constexpr bool indexes_arguments = true;
  ColumnSum<T> sums[kMostSums];
  int32_t first_block[kMostSums + 1];

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    int which = 0;
    while (block.index() >= first_block[which + 1]) ++which;
    const ColumnSum<T>& a = sums[which];
    float* warp_sums = reinterpret_cast<float*>(block.shared());
    const int64_t tiles = (a.columns + kTile - 1) / kTile, place = block.index() - first_block[which];
    const int64_t tile = place % tiles, range = place / tiles, end = a.rows * (range + 1) / a.ranges;
    const int warp = block.thread() / 32, lane = block.thread() % 32;
    const int64_t column = tile * kTile + 4 * lane, left = a.columns - column;
    const int count = left < 4 ? int(left) : 4;  // none or fewer beyond the last column
    const bool whole = count == 4 && a.stride % 4 == 0 && on_boundary(a.x);
    float sum[kRows][4] = {};
    if (count > 0) {
      for (int64_t first = a.rows * range / a.ranges + warp; first < end; first += kRows * kWarps) {
        RDROP_UNROLL
        for (int r = 0; r < kRows; ++r) {
          const int64_t row = first + r * kWarps;
          if (row >= end) continue;
          float x[4];
          load_four(a.x + row * a.stride + column, whole, count, x);
          RDROP_UNROLL
          for (int i = 0; i < 4; ++i) sum[r][i] += x[i];
        }
      }
    }
    RDROP_UNROLL
    for (int i = 0; i < 4; ++i) sum[0][i] = (sum[0][i] + sum[1][i]) + (sum[2][i] + sum[3][i]);
    store_four(warp_sums + warp * kTile + 4 * lane, true, 4, sum[0]);
    block.barrier();

    const int64_t own = tile * kTile + block.thread();
    if (block.thread() >= kTile || own >= a.columns) return;
    float total = 0;
    for (int w = 0; w < kWarps; ++w) total += warp_sums[w * kTile + block.thread()];
    float& out = a.out[range * a.columns + own];
    out = a.add ? out + total : total;
  }
};

template <typename T>
void sum(const ColumnSum<T>* sums, int64_t count, void* stream) {
  for (int64_t first = 0; first < count; first += kMostSums) {
    SumKernel<T> kernel{};
    const int here = count - first < kMostSums ? int(count - first) : kMostSums;
    for (int i = 0; i < here; ++i) {
      kernel.sums[i] = sums[first + i];
      const int64_t tiles = (sums[first + i].columns + kTile - 1) / kTile;
      kernel.first_block[i + 1] = kernel.first_block[i] + int32_t(tiles * sums[first + i].ranges);
    }
    launch(kernel, {kernel.first_block[here], kThreads, kWarps * kTile * sizeof(float)}, stream);
  }
}

}  // namespace

template <typename T>
const ColumnSumsLaunchers<T>& column_sums_launchers() {
  static constexpr ColumnSumsLaunchers<T> table = {sum<T>};
  return table;
}
template const ColumnSumsLaunchers<float>& column_sums_launchers<float>();
template const ColumnSumsLaunchers<Bfloat16>& column_sums_launchers<Bfloat16>();
template const ColumnSumsLaunchers<Half>& column_sums_launchers<Half>();

}  // namespace rdrop
