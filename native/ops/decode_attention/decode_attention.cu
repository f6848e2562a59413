// Attention of one query a row: a block a row and head. Warps take the keys in turn, lanes the columns; scores lie in
// shared memory, so that keys and values are read once each.
#include "device/launch.h"
#include "device/reduce.h"
#include "ops/decode_attention/decode_attention_kernel.h"
#include "core/dropout_block.h"

namespace rdrop {
namespace {

using namespace portable;

constexpr int kWarps = 4;

/// Floats of shared memory: the query, a partial sum of values a warp, room for a reduction; then the scores.
RDROP_INLINE int64_t pitch_of(int64_t head_dim) {
  return (head_dim + 3) / 4 * 4;
}
RDROP_INLINE int64_t floats_before_scores(int64_t head_dim) {
  return (1 + kWarps) * pitch_of(head_dim) + kWarps;
}

template <typename T>
RDROP_INLINE bool on_boundary(const T* pointer, int64_t stride) {
  return stride % 4 == 0 && reinterpret_cast<uintptr_t>(pointer) % (4 * sizeof(T)) == 0;
}

/// out = Σ_p softmax(query·key_p / √Dh)_p · value_p; row_of(p): a row of keys and values [2D], aligned if `whole`.
template <class Block, typename T, class RowOf>
RDROP_INLINE void attend(Block& block, const DecodeAttention<T>& a, int64_t row, int64_t head, int count, bool whole,
                         RowOf row_of) {
  const int width = int(a.head_dim), pitch = int(pitch_of(width));
  const int64_t column = head * width, values = a.heads * width;
  const int warp = block.thread() / 32, lane = block.thread() % 32;
  float* query = reinterpret_cast<float*>(block.shared());
  float* partial = query + pitch;
  float* scratch = partial + kWarps * pitch;
  float* scores = scratch + kWarps;

  const float scale = 1.0f / __builtin_sqrtf(float(width));
  for (int c = block.thread(); c < pitch; c += block.threads()) {
    query[c] = c < width ? to_float(a.query[row * a.query_stride + column + c]) * scale : 0;
  }
  block.barrier();
  float largest = -__builtin_huge_valf();
  for (int p = warp; p < count; p += kWarps) {
    const T* key = row_of(p) + column;
    float dot = 0;
    for (int c = 4 * lane; c < width; c += 128) {
      float x[4];
      load_four(key + c, whole, width - c < 4 ? width - c : 4, x);
      RDROP_UNROLL
      for (int j = 0; j < 4; ++j) dot += x[j] * query[c + j];
    }
    dot = warp_reduce(block, dot, Plus{});
    if (lane == 0) scores[p] = dot;
    largest = Larger{}(largest, dot);
  }
  largest = block_reduce(block, largest, Larger{}, scratch);
  float total = 0;
  for (int p = block.thread(); p < count; p += block.threads()) {
    scores[p] = __builtin_expf(scores[p] - largest);
    total += scores[p];
  }
  total = block_reduce(block, total, Plus{}, scratch);
  for (int c = 4 * lane; c < width; c += 128) {
    float sums[4] = {0, 0, 0, 0};
    for (int p = warp; p < count; p += kWarps) {
      float x[4];
      load_four(row_of(p) + values + column + c, whole, width - c < 4 ? width - c : 4, x);
      RDROP_UNROLL
      for (int j = 0; j < 4; ++j) sums[j] += scores[p] * x[j];
    }
    store_four(partial + warp * pitch + c, true, 4, sums);
  }
  block.barrier();
  for (int c = block.thread(); c < width; c += block.threads()) {
    float sum = 0;
    RDROP_UNROLL
    for (int w = 0; w < kWarps; ++w) sum += partial[w * pitch + c];
    assign(a.out[row * values + column + c], sum / total);
  }
}

template <typename T>
struct HistoryKernel {
  static constexpr int max_threads = kWarps * 32;
  static constexpr int min_blocks = 4;
  HistoryAttention<T> a;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const int64_t row = block.index() / a.shared.heads, head = block.index() % a.shared.heads;
    if (!a.shared.live[row]) return;
    const int64_t both = 2 * a.shared.heads * a.shared.head_dim, rows = a.shared.rows;
    const int32_t length = *a.length;
    const T* mine = a.key_value + row * a.shared.query_stride;
    T* kept = a.cache + (length * rows + row) * both;
    for (int64_t c = block.thread(); c < a.shared.head_dim; c += block.threads()) {
      const int64_t key = head * a.shared.head_dim + c, value = key + both / 2;
      kept[key] = mine[key];
      kept[value] = mine[value];
    }
    const int32_t* held = a.ancestors + length % 2 * a.capacity * rows + row;
    const bool whole =
        a.shared.head_dim % 4 == 0 && on_boundary(a.key_value, a.shared.query_stride) && on_boundary(a.cache, both);
    attend(block, a.shared, row, head, length + 1, whole,
           [&](int p) { return p == length ? mine : a.cache + (p * rows + held[p * rows]) * both; });
  }
};

template <typename T>
struct SourceKernel {
  static constexpr int max_threads = kWarps * 32;
  static constexpr int min_blocks = 4;
  SourceAttention<T> a;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const int64_t row = block.index() / a.shared.heads, head = block.index() % a.shared.heads;
    if (!a.shared.live[row]) return;
    const int64_t both = 2 * a.shared.heads * a.shared.head_dim, first = a.starts[row / a.beam];
    const bool whole = a.shared.head_dim % 4 == 0 && on_boundary(a.key_value, both);
    attend(block, a.shared, row, head, int(a.starts[row / a.beam + 1] - first), whole,
           [&](int p) { return a.key_value + (first + p) * both; });
  }
};

template <typename T>
size_t shared_bytes(const DecodeAttention<T>& a, int64_t keys) {
  return size_t(floats_before_scores(a.head_dim) + keys) * sizeof(float);
}

template <typename T>
void to_history(const HistoryAttention<T>& a, void* stream) {
  launch(HistoryKernel<T>{a}, {a.shared.rows * a.shared.heads, kWarps * 32, shared_bytes(a.shared, a.capacity)},
         stream);
}

template <typename T>
void to_source(const SourceAttention<T>& a, void* stream) {
  launch(SourceKernel<T>{a}, {a.shared.rows * a.shared.heads, kWarps * 32, shared_bytes(a.shared, a.longest)}, stream);
}

}  // namespace

template <typename T>
const DecodeAttentionLaunchers<T>& decode_attention_launchers() {
  static constexpr DecodeAttentionLaunchers<T> table = {to_history<T>, to_source<T>};
  return table;
}
template const DecodeAttentionLaunchers<float>& decode_attention_launchers<float>();
template const DecodeAttentionLaunchers<Bfloat16>& decode_attention_launchers<Bfloat16>();
template const DecodeAttentionLaunchers<Half>& decode_attention_launchers<Half>();

}  // namespace rdrop
