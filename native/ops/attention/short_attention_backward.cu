// Attention over short sequences on tensor cores, backward: a block has one head of one sequence and writes all its
// gradients, where the projections read them. A warp computes the probabilities of 16 queries again, and from them
//   weight = p·keep,  slope = Σ_k weight·(dout·value),  dscore = p·(keep·(dout·value) - slope)/√Dh.
// The gradient of queries is dscore·key, from registers; those of keys, dscoreᵀ·query, and of values, weightᵀ·dout, sum
// over all warps' queries: both go through shared memory, in the place of the values. Heads that do not fit go through
// `chunk` columns at a time.
#include "device/launch.h"
#include "device/reduce.h"
#include "ops/attention/short_tile.h"

namespace rdrop {
namespace {

using namespace portable;

/// The gradients of keys and values are work for more warps than short sequences have tiles of queries.
constexpr int kLeastWarps = 4;

/// kKeys: bound of the keys, a multiple of 16; the registers of the scores.
template <typename T, int kKeys>
struct ShortBackwardKernel {
  static constexpr int max_threads = (kKeys <= 32 ? kLeastWarps : kLongestShort / kSide) * 32;
  static constexpr int min_blocks = kKeys <= 32 ? 5 : kKeys <= 64 ? 2 : 1;
  DeviceAttention<T> a;
  int query_rows, key_rows;  // bounds, whole tiles
  int chunk;                 // columns of the head at a time

  RDROP_INLINE int weight_bytes() const { return ShortTile::bytes(query_rows, key_rows); }
  RDROP_INLINE int value_offset() const { return ShortTile::bytes(2 * query_rows + key_rows, chunk); }
  size_t shared_bytes() const {
    const int values = ShortTile::bytes(key_rows, chunk), weights = 2 * weight_bytes();
    return size_t(value_offset() + (values > weights ? values : weights));
  }

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const AttentionItem item(a, block.index());
    if (item.queries == 0 && item.keys == 0) return;
    const int width = int(a.head_dim);
    const int64_t head = int64_t(item.head) * width, out_stride = a.heads * a.head_dim;
    const int64_t query_at = item.query_row * a.query_stride + head, key_at = item.key_row * a.key_stride + head;
    const T* out_gradients = a.out_gradient + item.query_row * out_stride + head;
    const ShortTile query(0, chunk), gradient(ShortTile::bytes(query_rows, chunk), chunk),
        key(ShortTile::bytes(2 * query_rows, chunk), chunk), value(value_offset(), chunk);
    const ShortTile weights(value_offset(), key_rows), scores(value_offset() + weight_bytes(), key_rows);
    const int lane = block.thread() % 32, warp = block.thread() / 32, first = warp * kSide;
    const int seen = tiles_seen(item, a, first);

    float score[kKeys / kSide][2][4], dropped[kKeys / kSide][2][4];
    RDROP_UNROLL
    for (int tile = 0; tile < kKeys / kSide; ++tile) {
      RDROP_UNROLL
      for (int i = 0; i < 8; ++i) score[tile][i / 4][i % 4] = dropped[tile][i / 4][i % 4] = 0;
    }
    for (int from = 0; from < width; from += chunk) {
      const int columns = width - from < chunk ? width - from : chunk;
      if (from > 0) block.barrier();  // nobody reads the former columns any more
      const CopyShare share(block, columns);
      share.copy(block, query, a.query + query_at + from, a.query_stride, item.queries);
      share.copy(block, key, a.key + key_at + from, a.key_stride, item.keys);
      share.copy(block, gradient, out_gradients + from, out_stride, item.queries);
      share.copy(block, value, a.value + key_at + from, a.key_stride, item.keys);
      block.group_copies();
      block.template wait_for_copies<0>();
      block.barrier();
      if (seen == 0) continue;
      RDROP_NO_UNROLL
      for (int c = 0; c < columns; c += kSide) {
        uint32_t of_query[4], of_gradient[4];
        block.load_matrices(of_query, query.down(lane, first, c));
        block.load_matrices(of_gradient, gradient.down(lane, first, c));
        RDROP_UNROLL
        for (int tile = 0; tile < kKeys / kSide; ++tile) {
          if (tile >= seen) continue;
          uint32_t other[4];
          block.load_matrices(other, key.across(lane, tile * kSide, c));
          multiply_tile<T>(block, score[tile], of_query, other);
          block.load_matrices(other, value.across(lane, tile * kSide, c));
          multiply_tile<T>(block, dropped[tile], of_gradient, other);
        }
      }
    }
    block.barrier();  // nobody reads values any more

    // Masks lie in the warp's own rows of dscore until they are in the lanes' bits.
    const ScorePlace place(lane);
    const Keep keep(a.dropout);
    uint32_t stays[(kKeys + 63) / 64];
    RDROP_UNROLL
    for (int i = 0; i < (kKeys + 63) / 64; ++i) stays[i] = ~0u;
    if (keep.on()) {
      const char* masks = block.shared() + scores.at(first, 0);
      draw_masks(block, keep, item, a, first, block.shared() + scores.at(first, 0), scores.pitch);
      block.warp_barrier();
      RDROP_UNROLL
      for (int tile = 0; tile < kKeys / kSide; ++tile) {
        if (tile >= seen) continue;
        RDROP_UNROLL
        for (int i = 0; i < 8; ++i) {
          const bool mine = masks[place.query(0, i) * scores.pitch + place.key(tile, i)] == 1;
          if (!mine) stays[tile / 4] &= ~(1u << (tile % 4 * 8 + i));
        }
      }
      block.warp_barrier();
    }

    const float scale = score_scale(a);
    float log_sum[2], slope[2] = {0, 0};
    RDROP_UNROLL
    for (int r = 0; r < 2; ++r) {
      const int q = first + place.g + 8 * r;
      log_sum[r] = q < item.queries ? a.log_sum[item.number(a, q)] : 0;
    }
    RDROP_UNROLL
    for (int tile = 0; tile < kKeys / kSide; ++tile) {
      if (tile >= seen) continue;
      RDROP_UNROLL
      for (int i = 0; i < 4; ++i) {
        float weight[2];
        RDROP_UNROLL
        for (int j = 0; j < 2; ++j) {
          const int n = 2 * i + j;
          float &p = score[tile][n / 4][n % 4], &d = dropped[tile][n / 4][n % 4];
          const bool sees = item.sees(a, place.query(first, n), place.key(tile, n));
          p = sees ? __builtin_expf(p * scale - log_sum[i % 2]) : 0;
          const float factor = stays[tile / 4] >> (tile % 4 * 8 + n) & 1u ? keep.scale : 0;
          weight[j] = p * factor;
          d *= factor;
          slope[i % 2] += p * d;
        }
        *reinterpret_cast<uint32_t*>(block.shared() + weights.at(place.query(first, 2 * i), place.key(tile, 2 * i))) =
            pack_two<T>(weight[0], weight[1]);
      }
    }
    RDROP_UNROLL
    for (int r = 0; r < 2; ++r) slope[r] = over_row(block, slope[r], Plus{});
    uint32_t score_gradient[kKeys / kSide][4];
    RDROP_UNROLL
    for (int tile = 0; tile < kKeys / kSide; ++tile) {
      if (tile >= seen) continue;
      RDROP_UNROLL
      for (int i = 0; i < 4; ++i) {
        float d[2];
        RDROP_UNROLL
        for (int j = 0; j < 2; ++j) {
          const int n = 2 * i + j;
          d[j] = score[tile][n / 4][n % 4] * (dropped[tile][n / 4][n % 4] - slope[i % 2]) * scale;
        }
        score_gradient[tile][i] = pack_two<T>(d[0], d[1]);
        *reinterpret_cast<uint32_t*>(block.shared() + scores.at(place.query(first, 2 * i), place.key(tile, 2 * i))) =
            score_gradient[tile][i];
      }
    }
    block.barrier();

    const int query_tiles = tiles_of_16(item.queries), key_tiles = tiles_of_16(item.keys);
    for (int from = 0; from < width; from += chunk) {
      const int columns = width - from < chunk ? width - from : chunk;
      if (chunk < width) {
        if (from > 0) block.barrier();
        const CopyShare share(block, columns);
        share.copy(block, query, a.query + query_at + from, a.query_stride, item.queries);
        share.copy(block, key, a.key + key_at + from, a.key_stride, item.keys);
        share.copy(block, gradient, out_gradients + from, out_stride, item.queries);
        block.group_copies();
        block.template wait_for_copies<0>();
        block.barrier();
      }
      if (first < item.queries) {
        T* to = a.query_gradient + query_at + first * a.query_stride + from;
        RDROP_NO_UNROLL
        for (int c = 0; c < columns; c += kSide) {
          float sums[2][4] = {};
          RDROP_UNROLL
          for (int tile = 0; tile < kKeys / kSide; ++tile) {
            if (tile >= seen) continue;
            uint32_t of_key[4];
            block.load_matrices_transposed(of_key, key.down(lane, tile * kSide, c));
            multiply_tile<T>(block, sums, score_gradient[tile], of_key);
          }
          store_tile(block, to + c, a.query_stride, item.queries - first, sums);
        }
      }
      // Two tasks a tile of keys: their gradient, and that of the values. Warps that had no queries begin.
      const int warps = block.threads() / 32, turn = query_tiles < warps ? warp - query_tiles : warp;
      for (int task = turn < 0 ? turn + warps : turn; task < 2 * key_tiles; task += warps) {
        const int row = task / 2 * kSide, left = item.keys - row;
        const bool of_values = task % 2 != 0;
        const ShortTile factor(of_values ? weights.offset : scores.offset, key_rows);
        const ShortTile rows(of_values ? gradient.offset : query.offset, chunk);
        T* to = (of_values ? a.value_gradient : a.key_gradient) + key_at + row * a.key_stride + from;
        RDROP_NO_UNROLL
        for (int c = 0; c < columns; c += 2 * kSide) {
          const bool both = c + kSide < columns;
          float sums[2][2][4] = {};
          for (int tile = a.causal ? task / 2 : 0; tile < query_tiles; ++tile) {
            uint32_t of_key[4], of_query[4];
            block.load_matrices_transposed(of_key, factor.across(lane, tile * kSide, row));
            block.load_matrices_transposed(of_query, rows.down(lane, tile * kSide, c));
            multiply_tile<T>(block, sums[0], of_key, of_query);
            if (!both) continue;
            block.load_matrices_transposed(of_query, rows.down(lane, tile * kSide, c + kSide));
            multiply_tile<T>(block, sums[1], of_key, of_query);
          }
          store_tile(block, to + c, a.key_stride, left, sums[0]);
          if (both) store_tile(block, to + c + kSide, a.key_stride, left, sums[1]);
        }
      }
    }
  }
};

template <typename T, int kKeys>
void launch_backward(const DeviceAttention<T>& a, void* stream) {
  ShortBackwardKernel<T, kKeys> kernel{a, tiles_of_16(a.longest_query) * kSide, tiles_of_16(a.longest_key) * kSide,
                                       int(a.head_dim)};
  while (kernel.shared_bytes() > kMostSharedBytes) kernel.chunk = tiles_of_16(kernel.chunk / 2) * kSide;
  const int tiles = (kernel.query_rows > kernel.key_rows ? kernel.query_rows : kernel.key_rows) / kSide;
  const int warps = tiles > kLeastWarps ? tiles : kLeastWarps;
  launch(kernel, {a.sequences * a.heads, warps * 32, kernel.shared_bytes()}, stream);
}

template <typename T>
void backward(const DeviceAttention<T>& a, void* stream) {
  if (a.longest_key <= 32 && a.longest_query <= kLeastWarps * kSide) return launch_backward<T, 32>(a, stream);
  if (a.longest_key <= 64) return launch_backward<T, 64>(a, stream);
  launch_backward<T, 128>(a, stream);
}

}  // namespace

template <typename T>
AttentionLauncher<T> short_backward() {
  if constexpr (sizeof(T) == 2) {
    return backward<T>;
  } else {
    return nullptr;
  }
}
template AttentionLauncher<float> short_backward<float>();
template AttentionLauncher<Bfloat16> short_backward<Bfloat16>();
template AttentionLauncher<Half> short_backward<Half>();

}  // namespace rdrop
