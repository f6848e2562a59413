// Exponentials of a row of scores, by vectors where the instruction set has them: exp((x - largest)·scale) for x at
// most `largest`, which is finite. What underflows becomes 0 or, by vectors, some 2^-125 (float) or 2^-1021 (double).
// NaN does not come through.
#pragma once

#if !defined(RDROP_ISA_scalar)
#include "simd/vector.h"
#endif

namespace rdrop::RDROP_ISA {
namespace {

#if defined(RDROP_ISA_scalar)

inline float exponential_of(float x) {
  return __builtin_expf(x);
}
inline double exponential_of(double x) {
  return __builtin_exp(x);
}

template <typename T>
inline double sum_of_exponentials(const T* x, int64_t count, T largest, T scale) {
  double total = 0;
  for (int64_t i = 0; i < count; ++i) total += double(exponential_of((x[i] - largest) * scale));
  return total;
}

#else

/// exp((x - largest)·scale)
template <class V>
struct Exponential {
  V shift, factor, least;
  template <typename T>
  Exponential(T largest, T scale)
      : shift(T(-largest)),
        factor(T(1.4426950408889634) * scale),
        least(T(sizeof(T) == sizeof(float) ? -125 : -1021)) {}
  V operator()(V x) const { return exp2(max(least, (x + shift) * factor)); }
};

template <typename T>
inline double sum_of_exponentials(const T* x, int64_t count, T largest, T scale) {
  using V = VectorOf<T>;
  constexpr int64_t lanes = V::lanes;
  const Exponential<V> exponential(largest, scale);
  const V zero = vector_of(T(0));
  Doubles total(0.0), other(0.0);
  const auto term = [&](auto which, const T* at) {
    return promote(choose(which, exponential(load(which, at, zero)), zero));
  };
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    total = total + term(All{}, x + i);
    other = other + term(All{}, x + i + lanes);
  }
  for (; i + lanes <= count; i += lanes) total = total + term(All{}, x + i);
  if (i < count) total = total + term(First{int(count - i)}, x + i);
  return sum(total + other);
}

#endif

}  // namespace
}  // namespace rdrop::RDROP_ISA
