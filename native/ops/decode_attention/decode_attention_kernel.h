// Attention of one query a row, for decoding with cached keys and values: to the row's own history and to its source.
// R rows (W beams a sentence), H heads of width Dh, D = H·Dh, L positions, S source tokens of all sentences.
#pragma once

#include "core/host_device.h"

namespace rdrop {

/// What both have in common. Rows that are not in use are left alone.
template <typename T>
struct DecodeAttention {
  const T* query;  // [R,D] with stride query_stride
  T* out;          // [R,D]
  int64_t query_stride, rows, heads, head_dim;
  const int32_t* live;  // [R]
};

/// To the history: the row's own key and value, which are put into the cache, and those of the positions before, which
/// lie with the row that held them then.
template <typename T>
struct HistoryAttention {
  DecodeAttention<T> shared;
  const T* key_value;        // [R,2D] of this position, with stride query_stride
  T* cache;                  // [L,R,2D]
  const int32_t* ancestors;  // [2,L,R] as in BeamSearchState
  const int32_t* length;     // [1] positions before this one
  int64_t capacity;          ///< L
};

/// To the source: the keys and values of the row's sentence.
template <typename T>
struct SourceAttention {
  DecodeAttention<T> shared;
  const T* key_value;     // [S,2D]
  const int32_t* starts;  // [R/W+1] sentence i has the rows starts[i] up to starts[i+1]
  int64_t beam;           ///< W
  int64_t longest;        ///< no sentence has more
};

template <typename T>
struct DecodeAttentionLaunchers {
  void (*to_history)(const HistoryAttention<T>&, void* stream);
  void (*to_source)(const SourceAttention<T>&, void* stream);
};
template <typename T>
const DecodeAttentionLaunchers<T>& decode_attention_launchers();

}  // namespace rdrop
