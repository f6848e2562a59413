// Kernel arguments of attention of one query a row over cached keys and values, for decoding on the CPU. R rows, H
// heads of width Dh, D = H·Dh. A cache holds rows of a key and its value, [2D].
#pragma once

#include <stdint.h>

#include "core/element.h"
#include "simd/padding.h"

namespace rdrop {

/// A row's history lies with the rows that held its positions then: the key of position p is row ancestors[r·stride +
/// p] of block p, so that no cache moves when hypotheses do.
template <typename T>
struct CachedHistory {
  const T* const* blocks;    // [length] key and value of each position, rows `width` elements apart
  const int32_t* ancestors;  // [R, ancestor_stride]
  int64_t ancestor_stride, length, width;
};

/// The source of a row is contiguous.
template <typename T>
struct CachedSource {
  const T* memory;       // rows of keys and values, `width` elements apart
  const int32_t* begin;  // [R] the first
  const int32_t* end;    // [R] the one after the last; one at least
  int64_t width;
};

template <typename T>
struct CachedAttention {
  const T* query;  // [R,D] rows query_stride apart
  T* out;          // [R,D]
  int64_t query_stride, heads, head_dim;
  Wide<T>* scores;   ///< of this thread: H·attention_padded(most keys of a row)
  const T** places;  ///< of this thread: most keys of a row
};

template <typename T>
struct CachedAttentionKernels {
  /// Rows [begin, end).
  void (*to_history)(const CachedAttention<T>&, const CachedHistory<T>&, int64_t begin, int64_t end);
  void (*to_source)(const CachedAttention<T>&, const CachedSource<T>&, int64_t begin, int64_t end);
};

}  // namespace rdrop
