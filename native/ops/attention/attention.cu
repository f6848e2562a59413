// The plain path of attention on a device: float32 arithmetic, any width of head, our own dropout masks. A block has 16
// rows of one head of one sequence and meets the rows of the other side 32 at a time, one a lane: queries meet keys in
// the forward pass and for the gradient of queries, keys meet queries for the gradients of keys and values. Each block
// writes its own rows alone, so nothing is added atomically. Probabilities are computed again from the log-sums.
#include "device/launch.h"
#include "device/reduce.h"
#include "ops/attention/attention_item.h"
#include "ops/attention/attention_tile.h"

namespace rdrop {
namespace {

using namespace portable;

RDROP_INLINE int64_t chunks_of(int64_t head_dim) {
  return (head_dim + kTileColumns - 1) / kTileColumns;
}

/// What a block works on.
struct Item : AttentionItem {
  int first, chunk;  // of its own rows; the chunk of columns that it writes

  template <typename T>
  RDROP_INLINE Item(const DeviceAttention<T>& a, int64_t index, int64_t tiles)
      : AttentionItem(a, index / chunks_of(a.head_dim) / tiles),
        first(int(index / chunks_of(a.head_dim) % tiles * kOwnRows)),
        chunk(int(index % chunks_of(a.head_dim))) {}
};

/// Writes four columns of a row of the head, those that exist.
template <typename T>
RDROP_INLINE void store_columns(T* row, int column, int columns, const float* values) {
  const int left = columns - column;
  if (left <= 0) return;
  const bool whole = left >= 4 && reinterpret_cast<uintptr_t>(row + column) % (4 * sizeof(T)) == 0;
  store_four(row + column, whole, left < 4 ? left : 4, values);
}

template <typename T>
struct ForwardKernel {
  static constexpr int max_threads = kAttentionWarps * 32;
  static constexpr int min_blocks = 1;
  static constexpr size_t shared_bytes = ((kOwnRows + 2 * kOtherRows) * kTilePitch + kTileWeights) * sizeof(float);
  DeviceAttention<T> a;
  int64_t tiles;  // of queries

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const Item item(a, block.index(), tiles);
    if (item.first >= item.queries) return;
    const int64_t column = int64_t(item.head) * a.head_dim;
    float* memory = reinterpret_cast<float*>(block.shared());
    Tile<T> query(memory, kOwnRows, a.query + item.query_row * a.query_stride + column, a.query_stride, item.queries,
                  int(a.head_dim));
    Tile<T> key(memory + kOwnRows * kTilePitch, kOtherRows, a.key + item.key_row * a.key_stride + column, a.key_stride,
                item.keys, int(a.head_dim));
    Tile<T> value(memory + (kOwnRows + kOtherRows) * kTilePitch, kOtherRows,
                  a.value + item.key_row * a.key_stride + column, a.key_stride, item.keys, int(a.head_dim));
    float* weights = memory + (kOwnRows + 2 * kOtherRows) * kTilePitch;
    const Keep keep(a.dropout);
    const int lane = block.thread() % 32, mine = block.thread() / 32 * kWarpRows;
    const float scale = score_scale(a), none = -__builtin_huge_valf();

    float largest[kWarpRows], total[kWarpRows], out[kWarpRows][4];
    RDROP_UNROLL
    for (int i = 0; i < kWarpRows; ++i) {
      largest[i] = none;
      total[i] = 0;
      RDROP_UNROLL
      for (int j = 0; j < 4; ++j) out[i][j] = 0;
    }
    const int seen = a.causal && item.first + kOwnRows < item.keys ? item.first + kOwnRows : item.keys;
    for (int first = 0; first < seen; first += kOtherRows) {
      RDROP_NO_UNROLL
      for (int i = 0; i < kWarpRows; ++i) {
        weights[(mine + i) * kOtherRows + lane] = keep(item, a, item.first + mine + i, first + lane);
      }
      float score[kWarpRows];
      products(block, query, item.first, key, first, score);
      RDROP_UNROLL
      for (int i = 0; i < kWarpRows; ++i) {
        const int q = item.first + mine + i, k = first + lane;
        const bool sees = item.sees(a, q, k);
        const float s = sees ? score[i] * scale : none;
        const float before = largest[i], in_tile = warp_reduce(block, s, Larger{});
        largest[i] = Larger{}(before, in_tile);
        const float shrink = largest[i] > before ? __builtin_expf(before - largest[i]) : 1.0f;
        const float p = sees ? __builtin_expf(s - largest[i]) : 0.0f;
        total[i] = total[i] * shrink + p;  // of this lane's keys
        RDROP_UNROLL
        for (int j = 0; j < 4; ++j) out[i][j] *= shrink;
        weights[(mine + i) * kOtherRows + lane] *= p;
      }
      block.warp_barrier();
      value.hold(block, first, item.chunk);
      add_weighted(block, weights, value.memory, out);
      block.warp_barrier();
    }
    RDROP_UNROLL
    for (int i = 0; i < kWarpRows; ++i) {
      const int q = item.first + mine + i;
      const float sum = warp_reduce(block, total[i], Plus{});
      if (q >= item.queries) continue;
      if (item.chunk == 0 && lane == 0) a.log_sum[item.number(a, q)] = largest[i] + __builtin_logf(sum);
      const float inverse = sum > 0 ? 1 / sum : 0;  // a query without keys attends to nothing
      RDROP_UNROLL
      for (int j = 0; j < 4; ++j) out[i][j] *= inverse;
      store_columns(a.out + (item.query_row + q) * a.heads * a.head_dim + column, item.chunk * kTileColumns + lane * 4,
                    int(a.head_dim), out[i]);
    }
  }
};

/// The gradient of queries: Σ_k dscore·key with dscore = p·(keep·(dout·value) - slope)/√Dh.
template <typename T>
struct QueryGradientKernel {
  static constexpr int max_threads = kAttentionWarps * 32;
  static constexpr int min_blocks = 1;
  static constexpr size_t shared_bytes = (2 * (kOwnRows + kOtherRows) * kTilePitch + kTileWeights) * sizeof(float);
  DeviceAttention<T> a;
  int64_t tiles;  // of queries

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const Item item(a, block.index(), tiles);
    if (item.first >= item.queries) return;
    const int64_t column = int64_t(item.head) * a.head_dim, width = a.heads * a.head_dim;
    float* memory = reinterpret_cast<float*>(block.shared());
    Tile<T> query(memory, kOwnRows, a.query + item.query_row * a.query_stride + column, a.query_stride, item.queries,
                  int(a.head_dim));
    Tile<T> gradient(memory + kOwnRows * kTilePitch, kOwnRows, a.out_gradient + item.query_row * width + column, width,
                     item.queries, int(a.head_dim));
    Tile<T> key(memory + 2 * kOwnRows * kTilePitch, kOtherRows, a.key + item.key_row * a.key_stride + column,
                a.key_stride, item.keys, int(a.head_dim));
    Tile<T> value(memory + (2 * kOwnRows + kOtherRows) * kTilePitch, kOtherRows,
                  a.value + item.key_row * a.key_stride + column, a.key_stride, item.keys, int(a.head_dim));
    float* weights = memory + 2 * (kOwnRows + kOtherRows) * kTilePitch;
    const Keep keep(a.dropout);
    const int lane = block.thread() % 32, mine = block.thread() / 32 * kWarpRows;
    const float scale = score_scale(a);

    float slope[kWarpRows], log_sum[kWarpRows], sums[kWarpRows][4];
    RDROP_UNROLL
    for (int i = 0; i < kWarpRows; ++i) {
      const int q = item.first + mine + i;
      slope[i] = 0;
      log_sum[i] = q < item.queries ? a.log_sum[item.number(a, q)] : 0;
      RDROP_UNROLL
      for (int j = 0; j < 4; ++j) sums[i][j] = 0;
      if (q < item.queries) {
        const int64_t at = (item.query_row + q) * width + column;
        for (int64_t c = lane; c < a.head_dim; c += 32)
          slope[i] += to_float(a.out[at + c]) * to_float(a.out_gradient[at + c]);
      }
      slope[i] = warp_reduce(block, slope[i], Plus{});
      if (q < item.queries && item.chunk == 0 && lane == 0) a.slope[item.number(a, q)] = slope[i];
    }
    const int seen = a.causal && item.first + kOwnRows < item.keys ? item.first + kOwnRows : item.keys;
    for (int first = 0; first < seen; first += kOtherRows) {
      RDROP_NO_UNROLL
      for (int i = 0; i < kWarpRows; ++i) {
        weights[(mine + i) * kOtherRows + lane] = keep(item, a, item.first + mine + i, first + lane);
      }
      float score[kWarpRows], dropped[kWarpRows];
      products(block, query, item.first, key, first, score);
      products(block, gradient, item.first, value, first, dropped);
      RDROP_UNROLL
      for (int i = 0; i < kWarpRows; ++i) {
        const int q = item.first + mine + i, k = first + lane;
        float* weight = weights + (mine + i) * kOtherRows + lane;
        const float p = item.sees(a, q, k) ? __builtin_expf(score[i] * scale - log_sum[i]) : 0.0f;
        *weight = p * (*weight * dropped[i] - slope[i]) * scale;
      }
      block.warp_barrier();
      key.hold(block, first, item.chunk);
      add_weighted(block, weights, key.memory, sums);
      block.warp_barrier();
    }
    RDROP_UNROLL
    for (int i = 0; i < kWarpRows; ++i) {
      const int q = item.first + mine + i;
      if (q >= item.queries) continue;
      store_columns(a.query_gradient + (item.query_row + q) * a.query_stride + column,
                    item.chunk * kTileColumns + lane * 4, int(a.head_dim), sums[i]);
    }
  }
};

/// The gradients of keys, Σ_q dscore·query, and of values, Σ_q p·keep·dout.
template <typename T>
struct KeyGradientKernel {
  static constexpr int max_threads = kAttentionWarps * 32;
  static constexpr int min_blocks = 1;
  static constexpr size_t shared_bytes = (2 * (kOwnRows + kOtherRows) * kTilePitch + 2 * kTileWeights) * sizeof(float);
  DeviceAttention<T> a;
  int64_t tiles;  // of keys

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const Item item(a, block.index(), tiles);
    if (item.first >= item.keys) return;
    const int64_t column = int64_t(item.head) * a.head_dim, width = a.heads * a.head_dim;
    float* memory = reinterpret_cast<float*>(block.shared());
    Tile<T> key(memory, kOwnRows, a.key + item.key_row * a.key_stride + column, a.key_stride, item.keys,
                int(a.head_dim));
    Tile<T> value(memory + kOwnRows * kTilePitch, kOwnRows, a.value + item.key_row * a.key_stride + column,
                  a.key_stride, item.keys, int(a.head_dim));
    Tile<T> query(memory + 2 * kOwnRows * kTilePitch, kOtherRows, a.query + item.query_row * a.query_stride + column,
                  a.query_stride, item.queries, int(a.head_dim));
    Tile<T> gradient(memory + (2 * kOwnRows + kOtherRows) * kTilePitch, kOtherRows,
                     a.out_gradient + item.query_row * width + column, width, item.queries, int(a.head_dim));
    float* key_weights = memory + 2 * (kOwnRows + kOtherRows) * kTilePitch;
    float* value_weights = key_weights + kTileWeights;
    const Keep keep(a.dropout);
    const int lane = block.thread() % 32, mine = block.thread() / 32 * kWarpRows;
    const float scale = score_scale(a);

    float key_sums[kWarpRows][4], value_sums[kWarpRows][4];
    RDROP_UNROLL
    for (int i = 0; i < kWarpRows; ++i) {
      RDROP_UNROLL
      for (int j = 0; j < 4; ++j) key_sums[i][j] = value_sums[i][j] = 0;
    }
    for (int first = a.causal ? item.first : 0; first < item.queries; first += kOtherRows) {
      RDROP_NO_UNROLL
      for (int i = 0; i < kWarpRows; ++i) {
        value_weights[(mine + i) * kOtherRows + lane] = keep(item, a, first + lane, item.first + mine + i);
      }
      float score[kWarpRows], dropped[kWarpRows];
      products(block, key, item.first, query, first, score);
      products(block, value, item.first, gradient, first, dropped);
      const int q = first + lane;
      const float log_sum = q < item.queries ? a.log_sum[item.number(a, q)] : 0;
      const float slope = q < item.queries ? a.slope[item.number(a, q)] : 0;
      RDROP_UNROLL
      for (int i = 0; i < kWarpRows; ++i) {
        const int k = item.first + mine + i;
        float* weight = value_weights + (mine + i) * kOtherRows + lane;
        const float p = item.sees(a, q, k) ? __builtin_expf(score[i] * scale - log_sum) : 0.0f;
        key_weights[(mine + i) * kOtherRows + lane] = p * (*weight * dropped[i] - slope) * scale;
        *weight *= p;
      }
      block.warp_barrier();
      query.hold(block, first, item.chunk);
      gradient.hold(block, first, item.chunk);
      add_weighted(block, key_weights, query.memory, key_sums);
      add_weighted(block, value_weights, gradient.memory, value_sums);
      block.warp_barrier();
    }
    RDROP_UNROLL
    for (int i = 0; i < kWarpRows; ++i) {
      const int k = item.first + mine + i;
      if (k >= item.keys) continue;
      const int64_t row = (item.key_row + k) * a.key_stride + column;
      const int first = item.chunk * kTileColumns + lane * 4;
      store_columns(a.key_gradient + row, first, int(a.head_dim), key_sums[i]);
      store_columns(a.value_gradient + row, first, int(a.head_dim), value_sums[i]);
    }
  }
};

int64_t tiles_of(int64_t rows) {
  return (rows + kOwnRows - 1) / kOwnRows;
}

template <template <typename> class Kernel, typename T>
void launch_tiles(const DeviceAttention<T>& arguments, int64_t tiles, void* stream) {
  launch(Kernel<T>{arguments, tiles},
         {arguments.sequences * arguments.heads * tiles * chunks_of(arguments.head_dim), kAttentionWarps * 32,
          Kernel<T>::shared_bytes},
         stream);
}

template <typename T>
void forward(const DeviceAttention<T>& arguments, void* stream) {
  launch_tiles<ForwardKernel>(arguments, tiles_of(arguments.longest_query), stream);
}

template <typename T>
void backward(const DeviceAttention<T>& arguments, void* stream) {
  launch_tiles<QueryGradientKernel>(arguments, tiles_of(arguments.longest_query), stream);
  launch_tiles<KeyGradientKernel>(arguments, tiles_of(arguments.longest_key), stream);
}

}  // namespace

template <typename T>
const AttentionLaunchers<T>& attention_launchers() {
  static const AttentionLaunchers<T> table = {forward<T>, backward<T>, short_forward<T>(), short_backward<T>()};
  return table;
}
template const AttentionLaunchers<float>& attention_launchers<float>();
template const AttentionLaunchers<Bfloat16>& attention_launchers<Bfloat16>();
template const AttentionLaunchers<Half>& attention_launchers<Half>();

}  // namespace rdrop
