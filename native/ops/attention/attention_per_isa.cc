// Bodies of attention over packed sequences: small matrix products on vectors of 64 bytes. Sentences have some tens of
// tokens, so each item stays in the second-level cache and nothing is padded but the rows of probabilities.
#include "ops/attention/attention_kernel.h"

#include "core/kernels.h"
#include "simd/dropout_row.h"
#include "simd/softmax_row.h"
#include "simd/vector.h"

namespace rdrop::RDROP_ISA {

/// C[m,n] (+)= Σ_k A(m,k)·B[k,n]; A(m,k) = a[m·a_row + k·a_column]; B and C have contiguous rows.
template <typename T, int Rows, int Vectors>
inline void product_tile(int64_t depth, const T* a, int64_t a_row, int64_t a_column, const T* b, int64_t b_row, T* c,
                         int64_t c_row, bool accumulate) {
  using V = VectorOf<T>;
  constexpr int64_t lanes = V::lanes;
  const V zero(T(0));
  V sum[Rows][Vectors];
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Vectors; ++v) sum[r][v] = accumulate ? load(All{}, c + r * c_row + v * lanes, zero) : zero;
  }
  for (int64_t k = 0; k < depth; ++k) {
    V row[Vectors];
    for (int v = 0; v < Vectors; ++v) row[v] = load(All{}, b + k * b_row + v * lanes, zero);
    for (int r = 0; r < Rows; ++r) {
      const V scalar(a[r * a_row + k * a_column]);
      for (int v = 0; v < Vectors; ++v) sum[r][v] = fma(scalar, row[v], sum[r][v]);
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Vectors; ++v) store(All{}, c + r * c_row + v * lanes, sum[r][v]);
  }
}

template <int Rows>
struct Tile {
  static constexpr int rows = Rows;
};

template <typename T, int Vectors>
inline void product_panel(int64_t m, int64_t depth, const T* a, int64_t a_row, int64_t a_column, const T* b,
                          int64_t b_row, T* c, int64_t c_row, bool accumulate) {
  const auto rows = [&](auto tile, int64_t i) {
    constexpr int Rows = decltype(tile)::rows;
    product_tile<T, Rows, Vectors>(depth, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row, accumulate);
  };
  // As many sums at once as their additions need to follow each other without a wait.
  constexpr int64_t whole = 8 / Vectors;
  int64_t i = 0;
  for (; i + whole <= m; i += whole) rows(Tile<whole>{}, i);
  for (; i + 4 <= m; i += 4) rows(Tile<4>{}, i);
  if (m - i == 3) rows(Tile<3>{}, i);
  if (m - i == 2) rows(Tile<2>{}, i);
  if (m - i == 1) rows(Tile<1>{}, i);
}

template <typename T>
inline void product(int64_t m, int64_t n, int64_t depth, const T* a, int64_t a_row, int64_t a_column, const T* b,
                    int64_t b_row, T* c, int64_t c_row, bool accumulate) {
  constexpr int64_t lanes = VectorOf<T>::lanes;
  int64_t j = 0;
  for (; j + 2 * lanes <= n; j += 2 * lanes) {
    product_panel<T, 2>(m, depth, a, a_row, a_column, b + j, b_row, c + j, c_row, accumulate);
  }
  for (; j + lanes <= n; j += lanes) {
    product_panel<T, 1>(m, depth, a, a_row, a_column, b + j, b_row, c + j, c_row, accumulate);
  }
  if (j == n) return;
  for (int64_t i = 0; i < m; ++i) {
    T sum[lanes] = {};
    for (int64_t k = 0; k < depth; ++k) {
      const T scalar = a[i * a_row + k * a_column];
      for (int64_t l = 0; l < n - j; ++l) sum[l] += scalar * b[k * b_row + j + l];
    }
    for (int64_t l = 0; l < n - j; ++l) c[i * c_row + j + l] = (accumulate ? c[i * c_row + j + l] : T(0)) + sum[l];
  }
}

/// to[d, l] = from[l, d], columns padded with zeros up to `padded`.
template <typename T>
inline void transpose_keys(const T* from, int64_t stride, int64_t keys, int64_t padded, int64_t head_dim, Wide<T>* to) {
  for (int64_t d = 0; d < head_dim; ++d) {
    for (int64_t l = 0; l < keys; ++l) to[d * padded + l] = wide(from[l * stride + d]);
    for (int64_t l = keys; l < padded; ++l) to[d * padded + l] = Wide<T>(0);
  }
}

/// Rows as a product reads or writes them: where T is computed with they are those of the tensor, else a copy in
/// scratch memory.
template <typename T>
struct WideRows {
  Wide<T>* data;
  int64_t stride;
};

/// Takes `rows` rows of `columns` from the scratch memory, if they are needed.
template <typename T>
inline WideRows<T> wide_rows(T* tensor, int64_t stride, int64_t rows, int64_t columns, Wide<T>*& scratch) {
  if constexpr (sizeof(T) == sizeof(Wide<T>)) {
    return {tensor, stride};
  } else {
    const WideRows<T> result{scratch, columns};
    scratch += rows * columns;
    return result;
  }
}

template <typename T>
inline WideRows<T> widen_rows(const T* tensor, int64_t stride, int64_t rows, int64_t columns, Wide<T>*& scratch) {
  const WideRows<T> result = wide_rows(const_cast<T*>(tensor), stride, rows, columns, scratch);
  if constexpr (sizeof(T) != sizeof(Wide<T>)) {
    for (int64_t i = 0; i < rows; ++i) {
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) result.data[i * columns + c] = wide(tensor[i * stride + c]);
    }
  }
  return result;
}

template <typename T>
inline void round_rows(const WideRows<T>& from, int64_t rows, int64_t columns, T* tensor, int64_t stride) {
  if constexpr (sizeof(T) != sizeof(Wide<T>)) {
    for (int64_t i = 0; i < rows; ++i) {
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) tensor[i * stride + c] = rounded<T>(from.data[i * from.stride + c]);
    }
  }
}

template <typename T>
struct AttentionItem {
  int64_t head, query_row, key_row, queries, keys, padded;
  const T *query, *key, *value;
  T* out;
  Wide<T>* probability;
};

template <typename T>
inline AttentionItem<T> attention_item(const Attention<T>& a, int64_t index) {
  AttentionItem<T> item;
  const int64_t sequence = index / a.heads;
  item.head = index % a.heads;
  item.query_row = a.query_offsets[sequence];
  item.key_row = a.key_begin[sequence];
  item.queries = a.query_offsets[sequence + 1] - item.query_row;
  item.keys = a.key_end[sequence] - item.key_row;
  item.padded = attention_padded(item.keys);
  const int64_t column = item.head * a.head_dim;
  item.query = a.query + item.query_row * a.query_stride + column;
  item.key = a.key + item.key_row * a.key_stride + column;
  item.value = a.value + item.key_row * a.key_stride + column;
  item.out = a.out + item.query_row * a.heads * a.head_dim + column;
  item.probability = a.probability + a.probability_offsets[sequence] + item.head * item.queries * item.padded;
  return item;
}

/// The probabilities after dropout: a copy in `to`, or the probabilities themselves without dropout.
template <typename T>
inline const Wide<T>* dropped_probability(const Attention<T>& a, const AttentionItem<T>& item, Wide<T>* to) {
  if (a.dropout.p <= 0) return item.probability;
  for (int64_t i = 0; i < item.queries; ++i) {
    const int64_t row = (item.query_row + i) * a.heads + item.head;
    dropout_row(a.dropout, row, item.keys, item.probability + i * item.padded, to + i * item.padded);
  }
  return to;
}

template <typename T>
void attention_forward(const Attention<T>& a, int64_t begin, int64_t end) {
  using W = Wide<T>;
  const W scale = W(1.0 / __builtin_sqrt(double(a.head_dim)));
  const int64_t width = a.heads * a.head_dim;
  for (int64_t index = begin; index < end; ++index) {
    const AttentionItem<T> item = attention_item(a, index);
    const int64_t padded = item.padded;
    W* transposed = a.scratch;
    W* dropped = transposed + padded * a.head_dim;
    W* scratch = dropped + item.queries * padded;
    if (item.queries == 1) {  // turning the keys would cost more than it saves
      for (int64_t l = 0; l < item.keys; ++l) {
        const T* key = item.key + l * a.key_stride;
        W score = 0;
#pragma omp simd reduction(+ : score)
        for (int64_t d = 0; d < a.head_dim; ++d) score += wide(item.query[d]) * wide(key[d]);
        item.probability[l] = score;
      }
    } else {
      transpose_keys(item.key, a.key_stride, item.keys, padded, a.head_dim, transposed);
      const WideRows<T> query = widen_rows(item.query, a.query_stride, item.queries, a.head_dim, scratch);
      product(item.queries, padded, a.head_dim, query.data, query.stride, int64_t(1), transposed, padded,
              item.probability, padded, false);
    }
    for (int64_t i = 0; i < item.queries; ++i) {
      W* row = item.probability + i * padded;
      const int64_t seen = a.causal ? i + 1 : item.keys;
      softmax_row(row, seen, scale);
      for (int64_t l = attention_padded(seen); l < padded; ++l) row[l] = W(0);
    }
    const W* probability = dropped_probability(a, item, dropped);
    const WideRows<T> value = widen_rows(item.value, a.key_stride, item.keys, a.head_dim, scratch);
    const WideRows<T> out = wide_rows(item.out, width, item.queries, a.head_dim, scratch);
    product(item.queries, a.head_dim, item.keys, probability, padded, int64_t(1), value.data, value.stride, out.data,
            out.stride, false);
    round_rows(out, item.queries, a.head_dim, item.out, width);
  }
}

template <typename T>
void attention_backward(const Attention<T>& a, int64_t begin, int64_t end) {
  using W = Wide<T>;
  const W scale = W(1.0 / __builtin_sqrt(double(a.head_dim)));
  const int64_t width = a.heads * a.head_dim, columns = a.head_dim;
  for (int64_t index = begin; index < end; ++index) {
    const AttentionItem<T> item = attention_item(a, index);
    const int64_t padded = item.padded, column = item.head * a.head_dim;
    T* dquery = a.query_gradient + item.query_row * a.query_stride + column;
    T* dkey = a.key_gradient + item.key_row * a.key_stride + column;
    T* dvalue = a.value_gradient + item.key_row * a.key_stride + column;
    W* transposed = a.scratch;
    W* dscore = transposed + padded * columns;
    W* dropped = dscore + item.queries * padded;
    W* scratch = dropped + item.queries * padded;
    const WideRows<T> dout =
        widen_rows(a.out_gradient + item.query_row * width + column, width, item.queries, columns, scratch);
    const WideRows<T> query = widen_rows(item.query, a.query_stride, item.queries, columns, scratch);
    const WideRows<T> key = widen_rows(item.key, a.key_stride, item.keys, columns, scratch);
    // The three gradients take turns in what is left of the scratch memory.
    const auto target = [&](T* tensor, int64_t stride, int64_t rows) {
      W* rest = scratch;
      return wide_rows(tensor, stride, rows, columns, rest);
    };

    const W* probability = dropped_probability(a, item, dropped);
    const WideRows<T> value_rows = target(dvalue, a.key_stride, item.keys);
    product(item.keys, columns, item.queries, probability, int64_t(1), padded, dout.data, dout.stride, value_rows.data,
            value_rows.stride, false);
    round_rows(value_rows, item.keys, columns, dvalue, a.key_stride);

    transpose_keys(item.value, a.key_stride, item.keys, padded, columns, transposed);
    product(item.queries, padded, columns, dout.data, dout.stride, int64_t(1), transposed, padded, dscore, padded,
            false);
    for (int64_t i = 0; i < item.queries; ++i) {
      if (a.dropout.p > 0) {
        dropout_row(a.dropout, (item.query_row + i) * a.heads + item.head, item.keys, dscore + i * padded,
                    dscore + i * padded);
      }
      W* __restrict ds = dscore + i * padded;
      const W* __restrict p = item.probability + i * padded;
      W total = 0;
#pragma omp simd reduction(+ : total)
      for (int64_t l = 0; l < padded; ++l) total += ds[l] * p[l];
#pragma omp simd
      for (int64_t l = 0; l < padded; ++l) ds[l] = p[l] * (ds[l] - total) * scale;
    }
    const WideRows<T> query_rows = target(dquery, a.query_stride, item.queries);
    product(item.queries, columns, item.keys, dscore, padded, int64_t(1), key.data, key.stride, query_rows.data,
            query_rows.stride, false);
    round_rows(query_rows, item.queries, columns, dquery, a.query_stride);
    const WideRows<T> key_rows = target(dkey, a.key_stride, item.keys);
    product(item.keys, columns, item.queries, dscore, int64_t(1), padded, query.data, query.stride, key_rows.data,
            key_rows.stride, false);
    round_rows(key_rows, item.keys, columns, dkey, a.key_stride);
  }
}

template <typename T>
constexpr AttentionKernels<T> table = {attention_forward<T>, attention_backward<T>};

template <>
const AttentionKernels<float>& kernels() {
  return table<float>;
}
template <>
const AttentionKernels<double>& kernels() {
  return table<double>;
}
template <>
const AttentionKernels<Bfloat16>& kernels() {
  return table<Bfloat16>;
}

}  // namespace rdrop::RDROP_ISA
