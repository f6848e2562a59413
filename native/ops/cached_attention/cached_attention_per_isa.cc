// Bodies of attention over cached keys and values. The rows of one sentence are neighbors and share most of their
// keys, which therefore stay in the cache from row to row.
#include "ops/cached_attention/cached_attention_kernel.h"

#include "core/kernels.h"
#include "simd/softmax_row.h"
#include "simd/vector.h"

namespace rdrop::RDROP_ISA {

/// out[0, Vectors·lanes) = Σ_p weights[p]·values[p][column...].
template <typename T, int Vectors>
inline void weighted_values(const T* weights, const T* const* values, int64_t column, int64_t count, T* out) {
  using V = VectorOf<T>;
  constexpr int64_t lanes = V::lanes;
  const V zero(T(0));
  V sum[Vectors];
  for (V& one : sum) one = zero;
  for (int64_t p = 0; p < count; ++p) {
    const V weight(weights[p]);
    for (int v = 0; v < Vectors; ++v) {
      sum[v] = fma(weight, load(All{}, values[p] + column + v * lanes, zero), sum[v]);
    }
  }
  for (int v = 0; v < Vectors; ++v) store(All{}, out + v * lanes, sum[v]);
}

/// out[0, columns) likewise.
template <typename T>
inline void weighted_wide_values(const T* weights, const T* const* values, int64_t column, int64_t columns,
                                 int64_t count, T* out) {
  constexpr int64_t lanes = VectorOf<T>::lanes;
  int64_t d = 0;
  for (; d + 4 * lanes <= columns; d += 4 * lanes) {
    weighted_values<T, 4>(weights, values, column + d, count, out + d);
  }
  for (; d + lanes <= columns; d += lanes) weighted_values<T, 1>(weights, values, column + d, count, out + d);
  for (; d < columns; ++d) {
    T sum = 0;
    for (int64_t p = 0; p < count; ++p) sum += weights[p] * values[p][column + d];
    out[d] = sum;
  }
}

/// The same for some columns of values that are narrower than what is computed with.
template <typename T>
inline void weighted_narrow_values(const Wide<T>* weights, const T* const* values, int64_t column, int64_t columns,
                                   int64_t count, T* out) {
  constexpr int64_t most = 64;
  for (int64_t first = 0; first < columns; first += most) {
    const int64_t width = columns - first < most ? columns - first : most;
    Wide<T> sum[most] = {};
    for (int64_t p = 0; p < count; ++p) {
      const T* value = values[p] + column + first;
#pragma omp simd
      for (int64_t d = 0; d < width; ++d) sum[d] += weights[p] * wide(value[d]);
    }
#pragma omp simd
    for (int64_t d = 0; d < width; ++d) out[first + d] = rounded<T>(sum[d]);
  }
}

template <typename T>
inline Wide<T> inner_product(const T* a, const T* b, int64_t count) {
  Wide<T> total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t d = 0; d < count; ++d) total += wide(a[d]) * wide(b[d]);
  return total;
}

/// The row's attention to the keys and values at a.places[0, count).
template <typename T>
inline void attend_row(const CachedAttention<T>& a, int64_t row, int64_t count) {
  using W = Wide<T>;
  const W scale = W(1.0 / __builtin_sqrt(double(a.head_dim)));
  const int64_t width = a.heads * a.head_dim;
  const int64_t pitch = attention_padded(count);
  const T* query = a.query + row * a.query_stride;
  for (int64_t p = 0; p < count; ++p) {
    for (int64_t head = 0; head < a.heads; ++head) {
      const int64_t column = head * a.head_dim;
      a.scores[head * pitch + p] = inner_product(query + column, a.places[p] + column, a.head_dim);
    }
  }
  for (int64_t head = 0; head < a.heads; ++head) {
    W* weights = a.scores + head * pitch;
    softmax_row(weights, count, scale);
    const int64_t from = width + head * a.head_dim;  // of the values, behind the keys
    T* out = a.out + row * width + head * a.head_dim;
    if constexpr (sizeof(T) != sizeof(W)) {
      weighted_narrow_values(weights, a.places, from, a.head_dim, count, out);
    } else {
      weighted_wide_values(weights, a.places, from, a.head_dim, count, out);
    }
  }
}
template <typename T>
void cached_attention_to_history(const CachedAttention<T>& a, const CachedHistory<T>& history, int64_t begin,
                                 int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const int32_t* ancestors = history.ancestors + row * history.ancestor_stride;
    for (int64_t p = 0; p < history.length; ++p) a.places[p] = history.blocks[p] + ancestors[p] * history.width;
    attend_row(a, row, history.length);
  }
}

template <typename T>
void cached_attention_to_source(const CachedAttention<T>& a, const CachedSource<T>& source, int64_t begin,
                                int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t first = source.begin[row], count = source.end[row] - first;
    for (int64_t p = 0; p < count; ++p) a.places[p] = source.memory + (first + p) * source.width;
    attend_row(a, row, count);
  }
}

template <typename T>
constexpr CachedAttentionKernels<T> table = {cached_attention_to_history<T>, cached_attention_to_source<T>};

template <>
const CachedAttentionKernels<float>& kernels() {
  return table<float>;
}
template <>
const CachedAttentionKernels<double>& kernels() {
  return table<double>;
}
template <>
const CachedAttentionKernels<Bfloat16>& kernels() {
  return table<Bfloat16>;
}

}  // namespace rdrop::RDROP_ISA
