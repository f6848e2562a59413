// Kernel arguments of attention over packed sequences. An item is one head of one sequence: Lq queries see Lk keys.
// Probabilities are kept for the backward pass, packed item after item, rows padded to whole vectors of keys. Those of
// a device are in device_attention.h.
#pragma once

#include "core/dropout.h"
#include "core/element.h"
#include "simd/padding.h"

namespace rdrop {

template <typename T>
struct Attention {
  const T* query;                      // [Rq, H·Dh] with stride query_stride
  const T* key;                        // [Rk, H·Dh] with stride key_stride
  const T* value;                      // [Rk, H·Dh] with stride key_stride
  T* out;                              // [Rq, H·Dh] contiguous
  Wide<T>* probability;                // packed, see above
  const int32_t* query_offsets;        // [n+1]
  const int32_t* key_begin;            // [n] the keys of sequence i are rows key_begin[i] up to key_end[i]
  const int32_t* key_end;              // [n]
  const int64_t* probability_offsets;  // [n] of head 0; head h starts h·Lq·padded(Lk) later
  int64_t query_stride, key_stride, heads, head_dim;
  bool causal;
  Dropout dropout;   ///< of probabilities: row q·H + h, column k
  Wide<T>* scratch;  ///< of this thread: attention_scratch elements
  // Backward only.
  const T* out_gradient;  // [Rq, H·Dh] contiguous
  T* query_gradient;      // like query
  T* key_gradient;        // like key
  T* value_gradient;      // like value
};

/// Elements of scratch that an item of Lq queries and Lk keys needs; widened: T is not Wide<T>, so that rows are
/// widened before they enter a product and rounded after it.
static inline int64_t attention_scratch(int64_t queries, int64_t keys, int64_t head_dim, bool widened) {
  return attention_padded(keys) * (head_dim + 2 * queries) + (widened ? head_dim * (3 * queries + 2 * keys) : 0);
}

template <typename T>
struct AttentionKernels {
  void (*forward)(const Attention<T>&, int64_t begin, int64_t end);
  void (*backward)(const Attention<T>&, int64_t begin, int64_t end);
};

}  // namespace rdrop
