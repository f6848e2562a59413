// The plain path of attention on a device: float32 arithmetic, any width of head, our own dropout masks. A block has 16
// rows of one head of one sequence and meets the rows of the other side 32 at a time, one a lane: queries meet keys in
// the forward pass and for the gradient of queries, keys meet queries for the gradients of keys and values. Each block
// writes its own rows alone, so nothing is added atomically. Probabilities are computed again from the log-sums.
#include "device/launch.h"
#include "device/reduce.h"
#include "ops/attention_kernel.h"
#include "ops/dropout_block.h"

namespace rdrop {
namespace {

using namespace portable;

constexpr int kWarps = 4;
constexpr int kMine = 4;              // rows of a warp
constexpr int kOwn = kWarps * kMine;  // rows of a block
constexpr int kOther = 32;            // rows of the other side, one a lane
constexpr int kChunk = 128;           // columns of a head at a time, four a lane
constexpr int kPitch = kChunk + 4;    // floats from row to row: eight lanes that read 16 bytes each meet no bank twice
constexpr int kWeights = kOwn * kOther;

/// Rows of one head of a sequence in shared memory, a chunk of columns at a time, zeros beyond them.
template <typename T>
struct Tile {
  float* memory;  // [capacity, kPitch]
  int capacity;
  const T* from;  // the head's columns in the sequence's first row
  int64_t stride;
  int rows, columns;
  bool whole;
  int held_row = -1, held_chunk = -1;

  RDROP_INLINE Tile(float* memory, int capacity, const T* from, int64_t stride, int rows, int columns)
      : memory(memory),
        capacity(capacity),
        from(from),
        stride(stride),
        rows(rows),
        columns(columns),
        whole(columns % 4 == 0 && stride % 4 == 0 && reinterpret_cast<uintptr_t>(from) % (4 * sizeof(T)) == 0) {}

  /// Loads rows from `first` on, unless they are there. Every thread of the block takes part.
  template <class Block>
  RDROP_INLINE void hold(Block& block, int first, int chunk) {
    if (first == held_row && chunk == held_chunk) return;
    held_row = first;
    held_chunk = chunk;
    const int offset = block.thread() % 32 * 4;
    const int column = chunk * kChunk + offset, left = columns - column;
    block.barrier();  // nobody reads the former rows any more
    for (int row = block.thread() / 32; row < capacity; row += kWarps) {
      float x[4] = {0, 0, 0, 0};
      if (first + row < rows && left > 0) {
        load_four(from + (first + row) * stride + column, whole, left < 4 ? left : 4, x);
      }
      store_four(memory + row * kPitch + offset, true, 4, x);
    }
    block.barrier();
  }

  RDROP_INLINE int chunks() const { return (columns + kChunk - 1) / kChunk; }
  /// Columns of a chunk, up to four.
  RDROP_INLINE int width(int chunk) const {
    const int left = columns - chunk * kChunk;
    return left < kChunk ? (left + 3) / 4 * 4 : kChunk;
  }
};

/// sums[i] = Σ_c own[i][c]·other[lane][c] for the rows i of the warp, over all chunks.
template <class Block, typename T>
RDROP_INLINE void products(Block& block, Tile<T>& own, int own_first, Tile<T>& other, int other_first, float* sums) {
  RDROP_UNROLL
  for (int i = 0; i < kMine; ++i) sums[i] = 0;
  for (int chunk = 0; chunk < own.chunks(); ++chunk) {
    own.hold(block, own_first, chunk);
    other.hold(block, other_first, chunk);
    const float* a = own.memory + block.thread() / 32 * kMine * kPitch;
    const float* b = other.memory + block.thread() % 32 * kPitch;
    const int width = own.width(chunk);
    for (int c = 0; c < width; c += 4) {
      const Four<float> y = *reinterpret_cast<const Four<float>*>(b + c);
      RDROP_UNROLL
      for (int i = 0; i < kMine; ++i) {
        const Four<float> x = *reinterpret_cast<const Four<float>*>(a + i * kPitch + c);
        RDROP_UNROLL
        for (int j = 0; j < 4; ++j) sums[i] += x.value[j] * y.value[j];
      }
    }
  }
}

/// sums[i][j] += Σ_l weights[i][l]·other[l][4·lane + j] for the rows i of the warp, in the chunk that `other` holds.
template <class Block>
RDROP_INLINE void add_weighted(Block& block, const float* weights, const float* other, float (*sums)[4]) {
  const float* w = weights + block.thread() / 32 * kMine * kOther;
  const float* b = other + block.thread() % 32 * 4;
  for (int l = 0; l < kOther; l += 4) {
    Four<float> four[kMine];
    RDROP_UNROLL
    for (int i = 0; i < kMine; ++i) four[i] = *reinterpret_cast<const Four<float>*>(w + i * kOther + l);
    RDROP_UNROLL
    for (int m = 0; m < 4; ++m) {
      const Four<float> y = *reinterpret_cast<const Four<float>*>(b + (l + m) * kPitch);
      RDROP_UNROLL
      for (int i = 0; i < kMine; ++i) {
        RDROP_UNROLL
        for (int j = 0; j < 4; ++j) sums[i][j] += four[i].value[m] * y.value[j];
      }
    }
  }
}

/// What a block works on.
struct Item {
  int head, first, chunk;  // of its own rows; the chunk of columns that it writes
  int queries, keys;
  int64_t query_row, key_row;

  template <typename T>
  RDROP_INLINE Item(const DeviceAttention<T>& a, int64_t index, int64_t tiles) {
    const int64_t chunks = (a.head_dim + kChunk - 1) / kChunk;
    chunk = int(index % chunks);
    first = int(index / chunks % tiles * kOwn);
    head = int(index / chunks / tiles % a.heads);
    const int64_t sequence = index / chunks / tiles / a.heads;
    query_row = a.query_starts[sequence];
    queries = int(a.query_starts[sequence + 1] - query_row);
    key_row = a.key_starts[sequence];
    keys = int(a.key_starts[sequence + 1] - key_row);
  }

  template <typename T>
  RDROP_INLINE bool sees(const DeviceAttention<T>& a, int query, int key) const {
    return query < queries && key < keys && (!a.causal || key <= query);
  }

  /// Where a row's number of this head lies in log_sum and slope; also the row of its dropout mask.
  template <typename T>
  RDROP_INLINE int64_t number(const DeviceAttention<T>& a, int query) const {
    return (query_row + query) * a.heads + head;
  }
};

/// What dropout multiplies single probabilities by: 0 or 1/(1-p), 1 without dropout, 0 for keys that are not seen.
struct Keep {
  Dropout dropout;
  uint64_t update;
  uint32_t threshold;
  float scale;

  RDROP_INLINE explicit Keep(const Dropout& d) : dropout(d), update(d.stream.update), threshold(0), scale(1) {
    if (d.p <= 0) return;
    if (d.stream.update_at) update = *d.stream.update_at;
    threshold = dropout_threshold(d.p);
    scale = float(1.0 / (1.0 - d.p));
  }

  template <typename T>
  RDROP_INLINE float operator()(const Item& item, const DeviceAttention<T>& a, int query, int key) const {
    if (!item.sees(a, query, key)) return 0;
    if (dropout.p <= 0) return 1;
    const int quarter = (item.keys + 3) / 4, word = key / quarter;
    const DropoutCounter counter = dropout_counter(dropout, update, item.number(a, query), quarter);
    const uint64_t c = counter.first + uint64_t(key - word * quarter);
    uint32_t w0, w1, w2, w3;
    philox4x32(uint32_t(c), uint32_t(c >> 32), counter.c2, counter.c3, counter.k0, counter.k1, &w0, &w1, &w2, &w3);
    const uint32_t drawn = word == 0 ? w0 : word == 1 ? w1 : word == 2 ? w2 : w3;
    return drawn >= threshold ? scale : 0.0f;
  }
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
RDROP_INLINE float score_scale(const DeviceAttention<T>& a) {
  return 1.0f / __builtin_sqrtf(float(a.head_dim));
}

template <typename T>
struct ForwardKernel {
  static constexpr int max_threads = kWarps * 32;
  static constexpr int min_blocks = 1;
  static constexpr size_t shared_bytes = ((kOwn + 2 * kOther) * kPitch + kWeights) * sizeof(float);
  DeviceAttention<T> a;
  int64_t tiles;  // of queries

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const Item item(a, block.index(), tiles);
    if (item.first >= item.queries) return;
    const int64_t column = int64_t(item.head) * a.head_dim;
    float* memory = reinterpret_cast<float*>(block.shared());
    Tile<T> query(memory, kOwn, a.query + item.query_row * a.query_stride + column, a.query_stride, item.queries,
                  int(a.head_dim));
    Tile<T> key(memory + kOwn * kPitch, kOther, a.key + item.key_row * a.key_stride + column, a.key_stride, item.keys,
                int(a.head_dim));
    Tile<T> value(memory + (kOwn + kOther) * kPitch, kOther, a.value + item.key_row * a.key_stride + column,
                  a.key_stride, item.keys, int(a.head_dim));
    float* weights = memory + (kOwn + 2 * kOther) * kPitch;
    const Keep keep(a.dropout);
    const int lane = block.thread() % 32, mine = block.thread() / 32 * kMine;
    const float scale = score_scale(a), none = -__builtin_huge_valf();

    float largest[kMine], total[kMine], out[kMine][4];
    RDROP_UNROLL
    for (int i = 0; i < kMine; ++i) {
      largest[i] = none;
      total[i] = 0;
      RDROP_UNROLL
      for (int j = 0; j < 4; ++j) out[i][j] = 0;
    }
    const int seen = a.causal && item.first + kOwn < item.keys ? item.first + kOwn : item.keys;
    for (int first = 0; first < seen; first += kOther) {
      RDROP_NO_UNROLL
      for (int i = 0; i < kMine; ++i) {
        weights[(mine + i) * kOther + lane] = keep(item, a, item.first + mine + i, first + lane);
      }
      float score[kMine];
      products(block, query, item.first, key, first, score);
      RDROP_UNROLL
      for (int i = 0; i < kMine; ++i) {
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
        weights[(mine + i) * kOther + lane] *= p;
      }
      block.warp_barrier();
      value.hold(block, first, item.chunk);
      add_weighted(block, weights, value.memory, out);
      block.warp_barrier();
    }
    RDROP_UNROLL
    for (int i = 0; i < kMine; ++i) {
      const int q = item.first + mine + i;
      const float sum = warp_reduce(block, total[i], Plus{});
      if (q >= item.queries) continue;
      if (item.chunk == 0 && lane == 0) a.log_sum[item.number(a, q)] = largest[i] + __builtin_logf(sum);
      const float inverse = sum > 0 ? 1 / sum : 0;  // a query without keys attends to nothing
      RDROP_UNROLL
      for (int j = 0; j < 4; ++j) out[i][j] *= inverse;
      store_columns(a.out + (item.query_row + q) * a.heads * a.head_dim + column, item.chunk * kChunk + lane * 4,
                    int(a.head_dim), out[i]);
    }
  }
};

/// The gradient of queries: Σ_k dscore·key with dscore = p·(keep·(dout·value) - slope)/√Dh.
template <typename T>
struct QueryGradientKernel {
  static constexpr int max_threads = kWarps * 32;
  static constexpr int min_blocks = 1;
  static constexpr size_t shared_bytes = (2 * (kOwn + kOther) * kPitch + kWeights) * sizeof(float);
  DeviceAttention<T> a;
  int64_t tiles;  // of queries

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const Item item(a, block.index(), tiles);
    if (item.first >= item.queries) return;
    const int64_t column = int64_t(item.head) * a.head_dim, width = a.heads * a.head_dim;
    float* memory = reinterpret_cast<float*>(block.shared());
    Tile<T> query(memory, kOwn, a.query + item.query_row * a.query_stride + column, a.query_stride, item.queries,
                  int(a.head_dim));
    Tile<T> gradient(memory + kOwn * kPitch, kOwn, a.out_gradient + item.query_row * width + column, width,
                     item.queries, int(a.head_dim));
    Tile<T> key(memory + 2 * kOwn * kPitch, kOther, a.key + item.key_row * a.key_stride + column, a.key_stride,
                item.keys, int(a.head_dim));
    Tile<T> value(memory + (2 * kOwn + kOther) * kPitch, kOther, a.value + item.key_row * a.key_stride + column,
                  a.key_stride, item.keys, int(a.head_dim));
    float* weights = memory + 2 * (kOwn + kOther) * kPitch;
    const Keep keep(a.dropout);
    const int lane = block.thread() % 32, mine = block.thread() / 32 * kMine;
    const float scale = score_scale(a);

    float slope[kMine], log_sum[kMine], sums[kMine][4];
    RDROP_UNROLL
    for (int i = 0; i < kMine; ++i) {
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
    const int seen = a.causal && item.first + kOwn < item.keys ? item.first + kOwn : item.keys;
    for (int first = 0; first < seen; first += kOther) {
      RDROP_NO_UNROLL
      for (int i = 0; i < kMine; ++i) {
        weights[(mine + i) * kOther + lane] = keep(item, a, item.first + mine + i, first + lane);
      }
      float score[kMine], dropped[kMine];
      products(block, query, item.first, key, first, score);
      products(block, gradient, item.first, value, first, dropped);
      RDROP_UNROLL
      for (int i = 0; i < kMine; ++i) {
        const int q = item.first + mine + i, k = first + lane;
        float* weight = weights + (mine + i) * kOther + lane;
        const float p = item.sees(a, q, k) ? __builtin_expf(score[i] * scale - log_sum[i]) : 0.0f;
        *weight = p * (*weight * dropped[i] - slope[i]) * scale;
      }
      block.warp_barrier();
      key.hold(block, first, item.chunk);
      add_weighted(block, weights, key.memory, sums);
      block.warp_barrier();
    }
    RDROP_UNROLL
    for (int i = 0; i < kMine; ++i) {
      const int q = item.first + mine + i;
      if (q >= item.queries) continue;
      store_columns(a.query_gradient + (item.query_row + q) * a.query_stride + column, item.chunk * kChunk + lane * 4,
                    int(a.head_dim), sums[i]);
    }
  }
};

/// The gradients of keys, Σ_q dscore·query, and of values, Σ_q p·keep·dout.
template <typename T>
struct KeyGradientKernel {
  static constexpr int max_threads = kWarps * 32;
  static constexpr int min_blocks = 1;
  static constexpr size_t shared_bytes = (2 * (kOwn + kOther) * kPitch + 2 * kWeights) * sizeof(float);
  DeviceAttention<T> a;
  int64_t tiles;  // of keys

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const Item item(a, block.index(), tiles);
    if (item.first >= item.keys) return;
    const int64_t column = int64_t(item.head) * a.head_dim, width = a.heads * a.head_dim;
    float* memory = reinterpret_cast<float*>(block.shared());
    Tile<T> key(memory, kOwn, a.key + item.key_row * a.key_stride + column, a.key_stride, item.keys, int(a.head_dim));
    Tile<T> value(memory + kOwn * kPitch, kOwn, a.value + item.key_row * a.key_stride + column, a.key_stride, item.keys,
                  int(a.head_dim));
    Tile<T> query(memory + 2 * kOwn * kPitch, kOther, a.query + item.query_row * a.query_stride + column,
                  a.query_stride, item.queries, int(a.head_dim));
    Tile<T> gradient(memory + (2 * kOwn + kOther) * kPitch, kOther, a.out_gradient + item.query_row * width + column,
                     width, item.queries, int(a.head_dim));
    float* key_weights = memory + 2 * (kOwn + kOther) * kPitch;
    float* value_weights = key_weights + kWeights;
    const Keep keep(a.dropout);
    const int lane = block.thread() % 32, mine = block.thread() / 32 * kMine;
    const float scale = score_scale(a);

    float key_sums[kMine][4], value_sums[kMine][4];
    RDROP_UNROLL
    for (int i = 0; i < kMine; ++i) {
      RDROP_UNROLL
      for (int j = 0; j < 4; ++j) key_sums[i][j] = value_sums[i][j] = 0;
    }
    for (int first = a.causal ? item.first / kOther * kOther : 0; first < item.queries; first += kOther) {
      RDROP_NO_UNROLL
      for (int i = 0; i < kMine; ++i) {
        value_weights[(mine + i) * kOther + lane] = keep(item, a, first + lane, item.first + mine + i);
      }
      float score[kMine], dropped[kMine];
      products(block, key, item.first, query, first, score);
      products(block, value, item.first, gradient, first, dropped);
      const int q = first + lane;
      const float log_sum = q < item.queries ? a.log_sum[item.number(a, q)] : 0;
      const float slope = q < item.queries ? a.slope[item.number(a, q)] : 0;
      RDROP_UNROLL
      for (int i = 0; i < kMine; ++i) {
        const int k = item.first + mine + i;
        float* weight = value_weights + (mine + i) * kOther + lane;
        const float p = item.sees(a, q, k) ? __builtin_expf(score[i] * scale - log_sum) : 0.0f;
        key_weights[(mine + i) * kOther + lane] = p * (*weight * dropped[i] - slope) * scale;
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
    for (int i = 0; i < kMine; ++i) {
      const int k = item.first + mine + i;
      if (k >= item.keys) continue;
      const int64_t row = (item.key_row + k) * a.key_stride + column;
      const int first = item.chunk * kChunk + lane * 4;
      store_columns(a.key_gradient + row, first, int(a.head_dim), key_sums[i]);
      store_columns(a.value_gradient + row, first, int(a.head_dim), value_sums[i]);
    }
  }
};

int64_t tiles_of(int64_t rows) {
  return (rows + kOwn - 1) / kOwn;
}

template <template <typename> class Kernel, typename T>
void launch_tiles(const DeviceAttention<T>& arguments, int64_t tiles, void* stream) {
  const int64_t chunks = (arguments.head_dim + kChunk - 1) / kChunk;
  launch(Kernel<T>{arguments, tiles},
         {arguments.sequences * arguments.heads * tiles * chunks, kWarps * 32, Kernel<T>::shared_bytes}, stream);
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
AttentionLaunchers<T> attention_launchers() {
  return {forward<T>, backward<T>};
}
template AttentionLaunchers<float> attention_launchers<float>();
template AttentionLaunchers<Bfloat16> attention_launchers<Bfloat16>();
template AttentionLaunchers<Half> attention_launchers<Half>();

}  // namespace rdrop
