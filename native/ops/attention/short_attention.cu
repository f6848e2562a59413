// Attention over short sequences on tensor cores, forward: a block has one head of one sequence, a warp 16 of its
// queries and their scores with every key, in registers. Nothing of a sequence is read twice.
#include "device/launch.h"
#include "device/reduce.h"
#include "ops/attention/short_tile.h"

namespace rdrop {
namespace {

using namespace portable;

/// kKeys: bound of the keys, a multiple of 16; the registers of the scores.
template <typename T, int kKeys>
struct ShortForwardKernel {
  static constexpr int max_threads = kLongestShort / kSide * 32;
  static constexpr int min_blocks = kKeys <= 64 ? 2 : 1;
  DeviceAttention<T> a;
  int query_rows, key_rows;  // bounds, whole tiles
  bool apart;                // values have a place of their own, else that of the keys

  RDROP_INLINE int width() const { return int(a.head_dim); }
  RDROP_INLINE int value_offset() const { return ShortTile::bytes(query_rows + (apart ? key_rows : 0), width()); }
  RDROP_INLINE int mask_offset() const { return value_offset() + ShortTile::bytes(key_rows, width()); }
  size_t shared_bytes() const {
    return size_t(mask_offset()) + (a.dropout.p > 0 ? size_t(query_rows) * size_t(key_rows) : 0);
  }

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const AttentionItem item(a, block.index());
    if (item.queries == 0) return;
    const int64_t column = int64_t(item.head) * width();
    const ShortTile query(0, width()), key(ShortTile::bytes(query_rows, width()), width()),
        value(value_offset(), width());
    const CopyShare share(block, width());
    share.copy(block, query, a.query + item.query_row * a.query_stride + column, a.query_stride, item.queries);
    share.copy(block, key, a.key + item.key_row * a.key_stride + column, a.key_stride, item.keys);
    block.group_copies();
    const T* values = a.value + item.key_row * a.key_stride + column;
    if (apart) share.copy(block, value, values, a.key_stride, item.keys);
    block.group_copies();

    const int lane = block.thread() % 32, first = block.thread() / 32 * kSide;
    const int seen = tiles_seen(item, a, first);
    const Keep keep(a.dropout);
    char* masks = block.shared() + mask_offset() + first * key_rows;
    if (keep.on()) draw_masks(block, keep, item, a, first, masks, key_rows);
    block.template wait_for_copies<1>();
    block.barrier();

    float score[kKeys / kSide][2][4];
    RDROP_UNROLL
    for (int tile = 0; tile < kKeys / kSide; ++tile) {
      RDROP_UNROLL
      for (int i = 0; i < 8; ++i) score[tile][i / 4][i % 4] = 0;
    }
    if (seen > 0) {
      RDROP_NO_UNROLL
      for (int c = 0; c < width(); c += kSide) {
        uint32_t of_query[4];
        block.load_matrices(of_query, query.down(lane, first, c));
        RDROP_UNROLL
        for (int tile = 0; tile < kKeys / kSide; ++tile) {
          if (tile >= seen) continue;
          uint32_t of_key[4];
          block.load_matrices(of_key, key.across(lane, tile * kSide, c));
          multiply_tile<T>(block, score[tile], of_query, of_key);
        }
      }
    }
    if (!apart) {
      block.barrier();  // nobody reads keys any more
      share.copy(block, value, values, a.key_stride, item.keys);
      block.group_copies();
    }

    // Softmax over the row, whose scores four lanes have.
    const ScorePlace place(lane);
    const float scale = score_scale(a), none = -__builtin_huge_valf();
    float largest[2] = {none, none}, total[2] = {0, 0};
    RDROP_UNROLL
    for (int tile = 0; tile < kKeys / kSide; ++tile) {
      if (tile >= seen) continue;
      RDROP_UNROLL
      for (int i = 0; i < 8; ++i) {
        float& s = score[tile][i / 4][i % 4];
        s = item.sees(a, place.query(first, i), place.key(tile, i)) ? s * scale : none;
        largest[i % 4 / 2] = Larger{}(largest[i % 4 / 2], s);
      }
    }
    RDROP_UNROLL
    for (int r = 0; r < 2; ++r) largest[r] = over_row(block, largest[r], Larger{});
    uint32_t probability[kKeys / kSide][4];
    RDROP_UNROLL
    for (int tile = 0; tile < kKeys / kSide; ++tile) {
      if (tile >= seen) continue;
      float p[8];
      RDROP_UNROLL
      for (int i = 0; i < 8; ++i) {
        const float most = largest[i % 4 / 2];
        p[i] = __builtin_expf(score[tile][i / 4][i % 4] - (most == none ? 0 : most));
        total[i % 4 / 2] += p[i];
      }
      if (keep.on()) {
        RDROP_UNROLL
        for (int i = 0; i < 8; ++i) {
          // What lies beyond the keys was not drawn; its probability is zero.
          const bool stays = masks[place.query(0, i) * key_rows + place.key(tile, i)] == 1;
          p[i] = stays ? p[i] * keep.scale : 0;
        }
      }
      RDROP_UNROLL
      for (int i = 0; i < 4; ++i) probability[tile][i] = pack_two<T>(p[2 * i], p[2 * i + 1]);
    }
    RDROP_UNROLL
    for (int r = 0; r < 2; ++r) {
      total[r] = over_row(block, total[r], Plus{});
      const int q = first + place.g + 8 * r;
      if (place.t == 0 && q < item.queries) a.log_sum[item.number(a, q)] = largest[r] + __builtin_logf(total[r]);
      total[r] = total[r] > 0 ? 1 / total[r] : 0;  // a query without keys attends to nothing
    }

    block.template wait_for_copies<0>();
    block.barrier();
    if (first >= item.queries) return;
    const int64_t stride = a.heads * a.head_dim;
    T* out = a.out + (item.query_row + first) * stride + column;
    RDROP_NO_UNROLL
    for (int c = 0; c < width(); c += kSide) {
      float sums[2][4] = {};
      RDROP_UNROLL
      for (int tile = 0; tile < kKeys / kSide; ++tile) {
        if (tile >= seen) continue;
        uint32_t of_value[4];
        block.load_matrices_transposed(of_value, value.down(lane, tile * kSide, c));
        multiply_tile<T>(block, sums, probability[tile], of_value);
      }
      RDROP_UNROLL
      for (int i = 0; i < 8; ++i) sums[i / 4][i % 4] *= total[i % 4 / 2];
      store_tile(block, out + c, stride, item.queries - first, sums);
    }
  }
};

template <typename T, int kKeys>
void launch_forward(const DeviceAttention<T>& a, void* stream) {
  ShortForwardKernel<T, kKeys> kernel{a, tiles_of_16(a.longest_query) * kSide, tiles_of_16(a.longest_key) * kSide,
                                      true};
  // Two blocks of a multiprocessor hide each other's copies better than one that copies keys and values at once.
  kernel.apart = kernel.shared_bytes() <= kMostSharedBytes / 2;
  launch(kernel, {a.sequences * a.heads, kernel.query_rows / kSide * 32, kernel.shared_bytes()}, stream);
}

template <typename T>
void forward(const DeviceAttention<T>& a, void* stream) {
  if (a.longest_key <= 32) return launch_forward<T, 32>(a, stream);
  if (a.longest_key <= 64) return launch_forward<T, 64>(a, stream);
  launch_forward<T, 128>(a, stream);
}

}  // namespace

template <typename T>
AttentionLauncher<T> short_forward() {
  if constexpr (sizeof(T) == 2) {
    return forward<T>;
  } else {
    return nullptr;
  }
}
template AttentionLauncher<float> short_forward<float>();
template AttentionLauncher<Bfloat16> short_forward<Bfloat16>();
template AttentionLauncher<Half> short_forward<Half>();

}  // namespace rdrop
