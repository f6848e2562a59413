// Bodies of attention over packed sequences: small matrix products on vectors of 64 bytes. Sentences have some tens of
// tokens, so each item stays in the second-level cache and nothing is padded but the rows of probabilities.
#include "ops/attention/attention_kernel.h"

#include "core/kernels.h"
#include "simd/dropout_row.h"
#include "simd/softmax_row.h"
#include "simd/vector.h"
#if defined(RDROP_ISA_avx512)
#include "simd/transpose.h"
#endif

namespace rdrop::RDROP_ISA {

/// Rows of a tile of a product of two vectors of columns: as many as the registers hold the sums of.
#if defined(RDROP_ISA_avx512)
constexpr int64_t kTileRows = 12;
#else
constexpr int64_t kTileRows = 4;
#endif

/// Of causal attention the upper triangle of every matrix of queries and keys is zeros: what of a product A·B = C that
/// leaves to do, up to whole tiles.
enum class Triangle {
  none,
  result,       ///< C(i,j) for j <= i; the rest is not written
  lower_terms,  ///< A(i,k) for k <= i; zeros for the kTileRows - 1 terms after them
  upper_terms,  ///< A(i,k) for k >= i; zeros for the kTileRows - 1 terms before them
};

/// C[m,n] = Σ_k A(m,k)·B[k,n]; A(m,k) = a[m·a_row + k·a_column]; B and C have contiguous rows.
template <typename T>
struct Product {
  int64_t m, n, depth;
  const T* a;
  int64_t a_row, a_column;
  const T* b;
  int64_t b_row;
  T* c;
  int64_t c_row;
  Triangle triangle;

  /// The first term of the sums of the rows from i on, and the one after the last of `rows` of them.
  int64_t begin(int64_t i) const { return triangle == Triangle::upper_terms && i < depth ? i : 0; }
  int64_t end(int64_t i, int64_t rows) const {
    return triangle == Triangle::lower_terms && i + rows < depth ? i + rows : depth;
  }
};

template <typename T, int Rows, int Vectors>
inline void product_tile(const Product<T>& p, int64_t i, int64_t j) {
  using V = VectorOf<T>;
  constexpr int64_t lanes = V::lanes;
  const V zero(T(0));
  const int64_t begin = p.begin(i), terms = p.end(i, Rows) - begin, a_row = p.a_row, a_column = p.a_column;
  const T* a = p.a + i * a_row + begin * a_column;
  const T* b = p.b + begin * p.b_row + j;
  V sum[Rows][Vectors];
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) sum[r][v] = zero;
  }
  for (int64_t k = 0; k < terms; ++k, a += a_column, b += p.b_row) {
    V row[Vectors];
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) row[v] = load(All{}, b + v * lanes, zero);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const V scalar(a[r * a_row]);
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) sum[r][v] = fma(scalar, row[v], sum[r][v]);
    }
  }
  T* c = p.c + i * p.c_row + j;
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) store(All{}, c + r * p.c_row + v * lanes, sum[r][v]);
  }
}

/// The columns of C from j on, as many as so many vectors have.
template <typename T, int Vectors>
void product_panel(const Product<T>& p, int64_t j) {
  // As many sums at once as their additions need to follow each other without a wait.
  constexpr int whole = Vectors == 2 ? int(kTileRows) : 8;
  // Rows that see a column are computed with those of its whole vector of padding (attention_padded).
  int64_t i = p.triangle == Triangle::result ? j / 16 * 16 : 0;
  for (; i + whole <= p.m; i += whole) product_tile<T, whole, Vectors>(p, i, j);
  for (; i + 4 <= p.m; i += 4) product_tile<T, 4, Vectors>(p, i, j);
  if (p.m - i == 3) product_tile<T, 3, Vectors>(p, i, j);
  if (p.m - i == 2) product_tile<T, 2, Vectors>(p, i, j);
  if (p.m - i == 1) product_tile<T, 1, Vectors>(p, i, j);
}

template <typename T>
inline void product(const Product<T>& p) {
  constexpr int64_t lanes = VectorOf<T>::lanes;
  int64_t j = 0;
  for (; j + 2 * lanes <= p.n; j += 2 * lanes) product_panel<T, 2>(p, j);
  for (; j + lanes <= p.n; j += lanes) product_panel<T, 1>(p, j);
  if (j == p.n) return;
  for (int64_t i = 0; i < p.m; ++i) {
    T sum[lanes] = {};
    for (int64_t k = p.begin(i); k < p.end(i, 1); ++k) {
      const T scalar = p.a[i * p.a_row + k * p.a_column];
      for (int64_t l = 0; l < p.n - j; ++l) sum[l] += scalar * p.b[k * p.b_row + j + l];
    }
    for (int64_t l = 0; l < p.n - j; ++l) p.c[i * p.c_row + j + l] = sum[l];
  }
}

/// Columns of a row of probabilities, and of their gradients, that are computed where a query sees so many keys; what
/// a tile reads beyond them is zero.
template <typename W>
inline int64_t end_row(W* row, int64_t seen, int64_t padded) {
  const int64_t computed = attention_padded(seen);
  static_assert(kTileRows <= 16);
  for (int64_t l = computed; l < computed + 16 && l < padded; ++l) row[l] = W(0);
  return computed;
}

/// to[d, l] = from[l, d], columns padded with zeros up to `padded`.
template <typename T>
inline void transpose_keys(const T* from, int64_t stride, int64_t keys, int64_t padded, int64_t head_dim, Wide<T>* to) {
  constexpr int64_t step = 16;  // rows of a key are far apart: a few at a time stay in the first-level cache
  for (int64_t first = 0; first < padded; first += step) {
    const int64_t count = keys - first < step ? keys - first : step;
#if defined(RDROP_ISA_avx512)
    if constexpr (sizeof(Wide<T>) == sizeof(float)) {
      each_vector<Floats>(head_dim, [&](auto lanes, int64_t d) {
        __m512i x[step];
#pragma GCC unroll 16
        for (int64_t l = 0; l < step; ++l) {
          const Floats zero(0.f);
          x[l] = _mm512_castps_si512((l < count ? load(lanes, from + (first + l) * stride + d, zero) : zero).v);
        }
        transpose(x);
        for (int64_t i = 0; i < number(lanes, Floats()); ++i) {
          _mm512_storeu_si512(to + (d + i) * padded + first, x[i]);
        }
      });
      continue;
    }
#endif
    for (int64_t d = 0; d < head_dim; ++d) {
      for (int64_t l = 0; l < step; ++l) {
        to[d * padded + first + l] = l < count ? wide(from[(first + l) * stride + d]) : Wide<T>(0);
      }
    }
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

  /// The keys that a query sees.
  int64_t seen(const Attention<T>& a, int64_t i) const { return a.causal ? i + 1 : keys; }
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
  using W = Wide<T>;
  if (a.dropout.p <= 0) return item.probability;
  for (int64_t i = 0; i < item.queries; ++i) {
    const int64_t row = a.dropout.mask_row(item.query_row + i) * a.heads + item.head;
    const int64_t computed = attention_padded(item.seen(a, i));
    W* out = to + i * item.padded;
    dropout_row(a.dropout, row, item.keys, computed < item.keys ? computed : item.keys,
                item.probability + i * item.padded, out);
    end_row(out, item.seen(a, i), item.padded);
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
      product<W>({item.queries, padded, a.head_dim, query.data, query.stride, 1, transposed, padded, item.probability,
                  padded, a.causal ? Triangle::result : Triangle::none});
    }
    for (int64_t i = 0; i < item.queries; ++i) {
      W* row = item.probability + i * padded;
      softmax_row(row, item.seen(a, i), scale);
      end_row(row, item.seen(a, i), padded);
    }
    const W* probability = dropped_probability(a, item, dropped);
    const WideRows<T> value = widen_rows(item.value, a.key_stride, item.keys, a.head_dim, scratch);
    const WideRows<T> out = wide_rows(item.out, width, item.queries, a.head_dim, scratch);
    product<W>({item.queries, a.head_dim, item.keys, probability, padded, 1, value.data, value.stride, out.data,
                out.stride, a.causal ? Triangle::lower_terms : Triangle::none});
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
    const Triangle by_key = a.causal ? Triangle::upper_terms : Triangle::none;
    product<W>({item.keys, columns, item.queries, probability, 1, padded, dout.data, dout.stride, value_rows.data,
                value_rows.stride, by_key});
    round_rows(value_rows, item.keys, columns, dvalue, a.key_stride);

    transpose_keys(item.value, a.key_stride, item.keys, padded, columns, transposed);
    product<W>({item.queries, padded, columns, dout.data, dout.stride, 1, transposed, padded, dscore, padded,
                a.causal ? Triangle::result : Triangle::none});
    const W kept = W(1.0 / (1.0 - a.dropout.p));
    for (int64_t i = 0; i < item.queries; ++i) {
      W* __restrict ds = dscore + i * padded;
      const W* __restrict p = item.probability + i * padded;
      const W* __restrict after = probability + i * padded;
      const int64_t computed = end_row(ds, item.seen(a, i), padded);
      W total = 0;
      if (a.dropout.p > 0) {
        // What was dropped is 0 after it. So is what was 0 before it, for which this gradient does not count.
#pragma omp simd reduction(+ : total)
        for (int64_t l = 0; l < computed; ++l) {
          ds[l] = after[l] != W(0) ? ds[l] * kept : W(0);
          total += ds[l] * p[l];
        }
      } else {
#pragma omp simd reduction(+ : total)
        for (int64_t l = 0; l < computed; ++l) total += ds[l] * p[l];
      }
#pragma omp simd
      for (int64_t l = 0; l < computed; ++l) ds[l] = p[l] * (ds[l] - total) * scale;
    }
    const WideRows<T> query_rows = target(dquery, a.query_stride, item.queries);
    product<W>({item.queries, columns, item.keys, dscore, padded, 1, key.data, key.stride, query_rows.data,
                query_rows.stride, a.causal ? Triangle::lower_terms : Triangle::none});
    round_rows(query_rows, item.queries, columns, dquery, a.query_stride);
    const WideRows<T> key_rows = target(dkey, a.key_stride, item.keys);
    product<W>({item.keys, columns, item.queries, dscore, 1, padded, query.data, query.stride, key_rows.data,
                key_rows.stride, by_key});
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
