// Bodies of the embedding.
#include "ops/embedding/embedding_kernel.h"

#include "core/kernels.h"
#include "simd/dropout_row.h"

namespace rdrop::RDROP_ISA {

/// A run of columns of one row. Everything by value: GCC 12 does not vectorize these loops where they read `keep`
/// or `scale` through a reference. words: of the dropout, or null.
template <typename T, bool typed, bool dropped>
inline void embed_run(int64_t count, const T* __restrict entry, const Wide<T>* __restrict position,
                      const Wide<T>* __restrict type, Wide<T> scale, T* __restrict out,
                      const uint32_t* __restrict words, Keep<Wide<T>> keep) {
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) {
    Wide<T> x = scale * wide(entry[c]) + position[c];
    if constexpr (typed) x += type[c];
    if constexpr (dropped) x = keep(x, words[c]);
    out[c] = rounded<T>(x);
  }
}

template <typename T, bool dropped>
inline void add_embedding_gradient(int64_t count, const T* __restrict gradient, Wide<T> scale,
                                   Wide<T>* __restrict table, const uint32_t* __restrict words, Keep<Wide<T>> keep) {
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) {
    Wide<T> x = wide(gradient[c]);
    if constexpr (dropped) x = keep(x, words[c]);
    table[c] += scale * x;
  }
}

template <typename T, bool typed>
void embed_rows(const EmbeddingForward<T>& a, int64_t begin, int64_t end) {
  using W = Wide<T>;
  const W scale = W(a.scale);
  const Keep<W> keep(a.dropout);
  for (int64_t row = begin; row < end; ++row) {
    const T* entry = a.table + int64_t(a.tokens[row]) * a.columns;
    const W* position = a.positions + int64_t(a.position[row]) * a.columns;
    const W* type = typed ? a.types + int64_t(a.type[row]) * a.columns : position;
    T* out = a.out + row * a.columns;
    if (a.dropout.p <= 0) {
      embed_run<T, typed, false>(a.columns, entry, position, type, scale, out, nullptr, keep);
      continue;
    }
    visit_dropout_words(a.dropout, row, a.columns, [&](int64_t column, int64_t count, const uint32_t* words) {
      embed_run<T, typed, true>(count, entry + column, position + column, type + column, scale, out + column, words,
                                keep);
    });
  }
}

template <typename T>
void embedding_forward(const EmbeddingForward<T>& a, int64_t begin, int64_t end) {
  a.types ? embed_rows<T, true>(a, begin, end) : embed_rows<T, false>(a, begin, end);
}

template <typename T>
void embedding_backward(const EmbeddingBackward<T>& a, int64_t part, int64_t parts) {
  using W = Wide<T>;
  const W scale = W(a.scale);
  const Keep<W> keep(a.dropout);
  for (int64_t row = 0; row < a.rows; ++row) {
    if (a.tokens[row] % parts != part) continue;
    const T* gradient = a.gradient + row * a.columns;
    W* table = a.table_gradient + int64_t(a.tokens[row]) * a.columns;
    if (a.dropout.p <= 0) {
      add_embedding_gradient<T, false>(a.columns, gradient, scale, table, nullptr, keep);
      continue;
    }
    visit_dropout_words(a.dropout, row, a.columns, [&](int64_t column, int64_t count, const uint32_t* words) {
      add_embedding_gradient<T, true>(count, gradient + column, scale, table + column, words, keep);
    });
  }
}

template <typename T>
constexpr EmbeddingKernels<T> table = {embedding_forward<T>, embedding_backward<T>};

template <>
const EmbeddingKernels<float>& kernels() {
  return table<float>;
}
template <>
const EmbeddingKernels<double>& kernels() {
  return table<double>;
}
template <>
const EmbeddingKernels<Bfloat16>& kernels() {
  return table<Bfloat16>;
}

}  // namespace rdrop::RDROP_ISA
