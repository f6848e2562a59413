// column_sums on a device: a block sums a range of rows of a tile of columns; the last block of a tile adds up its
// ranges. R rows, C columns.
#include "device/grid_sum.h"
#include "device/launch.h"
#include "ops/column_sums/column_sums_kernel.h"
#include "core/dropout_block.h"

namespace rdrop {
namespace {

using namespace portable;

constexpr int kWarps = int(kColumnSumsWarps);
constexpr int kThreads = kWarps * 32;
constexpr int kTile = int(kColumnSumsTile);  // four columns a lane
static_assert(kColumnSumsMostTiles <= kCounters);

/// Shared memory: [kWarps, kTile] sums of the warps, then a word.
template <typename T>
struct SumKernel {
  static constexpr int max_threads = kThreads;
  ColumnSums<T> a;
  int64_t tiles, ranges;
  float* partial;  // [ranges, C]

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    float* sums = reinterpret_cast<float*>(block.shared());
    const int64_t tile = block.index() % tiles, range = block.index() / tiles;
    const int64_t end = a.rows * (range + 1) / ranges;
    const int warp = block.thread() / 32, lane = block.thread() % 32;
    const int64_t column = tile * kTile + 4 * lane, left = a.columns - column;
    const int count = left < 4 ? int(left) : 4;  // none or fewer beyond the last column
    const bool whole = a.columns % 4 == 0;
    float sum[4] = {};
    if (count > 0) {
      for (int64_t row = a.rows * range / ranges + warp; row < end; row += kWarps) {
        float x[4];
        load_four(a.x + row * a.columns + column, whole, count, x);
        RDROP_UNROLL
        for (int i = 0; i < 4; ++i) sum[i] += x[i];
      }
    }
    store_four(sums + warp * kTile + 4 * lane, true, 4, sum);
    block.barrier();

    const int64_t own = tile * kTile + block.thread();
    const bool sums_one = block.thread() < kTile && own < a.columns;
    float total = 0;
    if (sums_one) {
      for (int w = 0; w < kWarps; ++w) total += sums[w * kTile + block.thread()];
    }
    if (ranges > 1) {
      if (sums_one) partial[range * a.columns + own] = total;
      if (!last_to_finish(block, block.counter(tile), ranges, reinterpret_cast<uint32_t*>(sums + kWarps * kTile))) {
        return;
      }
      total = 0;
      if (sums_one) {
        for (int64_t r = 0; r < ranges; ++r) total += partial[r * a.columns + own];
      }
    }
    if (sums_one) a.out[own] += total;
  }
};

template <typename T>
void add(const ColumnSums<T>& arguments, int64_t blocks, float* partial, void* stream) {
  if (arguments.rows == 0) return;
  const int64_t tiles = column_sums_tiles(arguments.columns);
  const int64_t ranges = column_sums_ranges(arguments.rows, arguments.columns, blocks);
  launch(SumKernel<T>{arguments, tiles, ranges, partial},
         {tiles * ranges, kThreads, kWarps * kTile * sizeof(float) + sizeof(uint32_t)}, stream);
}

}  // namespace

template <typename T>
const ColumnSumsLaunchers<T>& column_sums_launchers() {
  static constexpr ColumnSumsLaunchers<T> table = {add<T>};
  return table;
}
template const ColumnSumsLaunchers<float>& column_sums_launchers<float>();
template const ColumnSumsLaunchers<Bfloat16>& column_sums_launchers<Bfloat16>();
template const ColumnSumsLaunchers<Half>& column_sums_launchers<Half>();

}  // namespace rdrop
