// The softmax of a row of scores of attention.
#pragma once

#include "simd/exponential.h"
#include "simd/padding.h"

namespace rdrop::RDROP_ISA {

/// Scores of `count` keys become probabilities, with zeros up to attention_padded(count); all of them NaN where a score
/// is not finite, which the exponentials would not pass on.
template <typename W>
inline void softmax_row(W* row, int64_t count, W scale) {
#if defined(RDROP_ISA_scalar)
  W highest = row[0], odd = 0;
  for (int64_t l = 0; l < count; ++l) {
    highest = row[l] > highest ? row[l] : highest;
    odd += row[l] * W(0);
  }
  double total = 0;
  for (int64_t l = 0; l < count; ++l) total += double(row[l] = exponential_of((row[l] - highest) * scale));
  const W inverse = W(1.0 / total) + odd;
  for (int64_t l = 0; l < count; ++l) row[l] *= inverse;
  for (int64_t l = count; l < attention_padded(count); ++l) row[l] = 0;
#else
  // Loads and stores of whole vectors alone: a load would wait for a masked store, or one of a part of it.
  using V = VectorOf<W>;
  const V zero = vector_of(W(0)), first = vector_of(row[0]);
  V highest = first, odd = zero;
  each_vector<V>(count, [&](auto lanes, int64_t l) {
    const V x = choose(lanes, load(All{}, row + l, zero), first);
    highest = max(highest, x);
    odd = fma(x, zero, odd);
  });
  const Exponential<V> exponential(largest(highest), scale);
  Doubles total(0.0);
  each_vector<V>(count, [&](auto lanes, int64_t l) {
    const V power = choose(lanes, exponential(load(All{}, row + l, zero)), zero);
    store(All{}, row + l, power);
    total = total + promote(power);
  });
  const V inverse = vector_of(W(1.0 / sum(total) + sum(promote(odd))));
  int64_t l = 0;
  for (; l < count; l += V::lanes) store(All{}, row + l, load(All{}, row + l, zero) * inverse);
  for (; l < attention_padded(count); l += V::lanes) store(All{}, row + l, zero);
#endif
}

}  // namespace rdrop::RDROP_ISA
