// What the device's kernels of attention share: the rows of one head of one sequence, and the dropout of probabilities.
#pragma once

#include "ops/attention/device_attention.h"

namespace rdrop::RDROP_ISA {

/// One head of one sequence.
struct AttentionItem {
  int head;
  int queries, keys;
  int64_t query_row, key_row;  // its first ones

  /// index: sequence · H + head.
  template <typename T>
  RDROP_INLINE AttentionItem(const DeviceAttention<T>& a, int64_t index) : head(int(index % a.heads)) {
    const int64_t sequence = index / a.heads;
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

template <typename T>
RDROP_INLINE float score_scale(const DeviceAttention<T>& a) {
  return 1.0f / __builtin_sqrtf(float(a.head_dim));
}

/// What dropout multiplies single probabilities by: 0 or 1/(1-p), 1 without dropout.
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

  RDROP_INLINE bool on() const { return dropout.p > 0; }

  /// The words that decide the keys l, Q + l, 2Q + l and 3Q + l of a query's row with Q = ceil(keys / 4).
  template <typename T>
  RDROP_INLINE void words(const AttentionItem& item, const DeviceAttention<T>& a, int query, int l,
                          uint32_t (&to)[4]) const {
    const DropoutCounter counter = dropout_counter(dropout, update, item.number(a, query), (item.keys + 3) / 4);
    const uint64_t c = counter.first + uint64_t(l);
    philox4x32(uint32_t(c), uint32_t(c >> 32), counter.c2, counter.c3, counter.k0, counter.k1, &to[0], &to[1], &to[2],
               &to[3]);
  }

  /// Of one probability; 0 for keys that are not seen.
  template <typename T>
  RDROP_INLINE float operator()(const AttentionItem& item, const DeviceAttention<T>& a, int query, int key) const {
    if (!item.sees(a, query, key)) return 0;
    if (!on()) return 1;
    const int quarter = (item.keys + 3) / 4, word = key / quarter;
    uint32_t drawn[4];
    words(item, a, query, key - word * quarter, drawn);
    const uint32_t mine = word == 0 ? drawn[0] : word == 1 ? drawn[1] : word == 2 ? drawn[2] : drawn[3];
    return mine >= threshold ? scale : 0.0f;
  }
};

}  // namespace rdrop::RDROP_ISA
