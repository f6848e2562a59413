// Kernel arguments of attention over packed sequences on a device. It keeps the log-sum of each query's scores alone
// and computes the probabilities again: that is Rq·H numbers whatever the longest sequence is, where a captured graph
// would have to reserve Rq·H·longest_key for probabilities.
#pragma once

#include "core/dropout.h"

namespace rdrop {

/// n sequences, sequence i has the rows starts[i] up to starts[i+1]. A causal query sees the keys up to
/// its own place.
template <typename T>
struct DeviceAttention {
  const T* query;               // [Rq, H·Dh] with stride query_stride
  const T* key;                 // [Rk, H·Dh] with stride key_stride
  const T* value;               // [Rk, H·Dh] with stride key_stride
  const int32_t* query_starts;  // [n+1]
  const int32_t* key_starts;    // [n+1]
  int64_t query_stride, key_stride, sequences;
  int64_t longest_query, longest_key;  ///< no sequence has more
  int64_t heads, head_dim;
  int64_t causal;   ///< 0 or 1
  Dropout dropout;  ///< of probabilities: row q·H + h, column k
  T* out;           // [Rq, H·Dh] contiguous
  float* log_sum;   // [Rq, H] log Σ exp(score)
  // Backward only.
  const T* out_gradient;  // [Rq, H·Dh] contiguous
  float* slope;           // [Rq, H] workspace: Σ out·out_gradient
  T* query_gradient;      // like query
  T* key_gradient;        // like key
  T* value_gradient;      // like value
};

template <typename T>
using AttentionLauncher = void (*)(const DeviceAttention<T>&, void* stream);

template <typename T>
struct AttentionLaunchers {
  /// Writes out and log_sum.
  AttentionLauncher<T> forward;
  /// Writes the three gradients; reads out and log_sum.
  AttentionLauncher<T> backward;
  /// The same for short sequences on tensor cores, for what short_attention_takes() accepts; null for float32. The
  /// backward pass reads neither out nor slope.
  AttentionLauncher<T> short_forward, short_backward;
};
template <typename T>
const AttentionLaunchers<T>& attention_launchers();

template <typename T>
AttentionLauncher<T> short_forward();
template <typename T>
AttentionLauncher<T> short_backward();

constexpr int64_t kLongestShort = 128;
constexpr int64_t kWidestShort = 128;  // head

/// Whether the kernels for short sequences take these arguments: 16 bits, bounds of kLongestShort rows, heads of a
/// multiple of 16 columns, every row on a boundary of 16 bytes. Those of the backward pass are looked at where they are
/// not null.
template <typename T>
bool short_attention_takes(const DeviceAttention<T>& a) {
  const auto aligned = [](const T* from) { return reinterpret_cast<uintptr_t>(from) % 16 == 0; };
  return sizeof(T) == 2 && a.longest_query <= kLongestShort && a.longest_key <= kLongestShort && a.head_dim % 16 == 0 &&
         a.head_dim <= kWidestShort && a.query_stride % 8 == 0 && a.key_stride % 8 == 0 && aligned(a.query) &&
         aligned(a.key) && aligned(a.value) && aligned(a.out) && aligned(a.out_gradient) && aligned(a.query_gradient) &&
         aligned(a.key_gradient) && aligned(a.value_gradient);
}

}  // namespace rdrop
