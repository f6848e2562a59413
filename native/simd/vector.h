// The vectors of an instruction set: Floats (float32) and Doubles (float64) with the same functions, so that a body is
// written once. What differs between the sets is in vector_avx512.h, vector_avx2.h and vector_scalar.h; the last has
// what whole vectors need.
#pragma once

#include <stdint.h>

#include "core/element.h"
#include "simd/intrinsics.h"

namespace rdrop::RDROP_ISA {
namespace {

/// Which lanes of a vector take part: all of them, or the first n.
struct All {};
struct First {
  int n;
};

struct Floats;
struct Doubles;
/// 2^f for |f| <= 1/2: minimax polynomials, relative error 9.4e-8 (float) and 2.2e-16 (double).
inline Floats exp2_of_fraction(Floats f);
inline Doubles exp2_of_fraction(Doubles f);

}  // namespace
}  // namespace rdrop::RDROP_ISA

#if defined(RDROP_ISA_avx512)
#include "simd/vector_avx512.h"
#elif defined(RDROP_ISA_avx2)
#include "simd/vector_avx2.h"
#else
#include "simd/vector_scalar.h"
#endif

namespace rdrop::RDROP_ISA {
namespace {

inline Doubles promote(Doubles x) {
  return x;
}

inline Floats vector_of(float x) {
  return Floats(x);
}
inline Doubles vector_of(double x) {
  return Doubles(x);
}
/// The vectors that elements of T are computed with.
template <typename T>
using VectorOf = decltype(vector_of(wide(T())));

/// How many lanes take part.
template <class Vector>
constexpr int number(All, Vector) {
  return Vector::lanes;
}
template <class Vector>
constexpr int number(First f, Vector) {
  return f.n;
}

/// Stores around the cache where whole vectors allow it and `around` asks for it; p is then on a vector's boundary.
template <bool around, class Element, class Vector>
inline void put(All lanes, Element* p, Vector x) {
  if constexpr (around) {
    stream(p, x);
  } else {
    store(lanes, p, x);
  }
}
template <bool around, class Element, class Vector>
inline void put(First lanes, Element* p, Vector x) {
  store(lanes, p, x);
}

template <class Vector>
inline Vector choose(All, Vector x, Vector) {
  return x;
}

/// Calls f(lanes, i) for the vectors of `count` elements: whole ones, and what is left.
template <class Vector, class F>
inline void each_vector(int64_t count, const F& f) {
  int64_t i = 0;
  for (; i + Vector::lanes <= count; i += Vector::lanes) f(All{}, i);
  if (i < count) f(First{int(count - i)}, i);
}

inline Floats exp2_of_fraction(Floats f) {
  Floats p(1.327406848e-03f);
  p = fma(p, f, Floats(9.671497159e-03f));
  p = fma(p, f, Floats(5.550700799e-02f));
  p = fma(p, f, Floats(2.402224243e-01f));
  p = fma(p, f, Floats(6.931470037e-01f));
  return fma(p, f, Floats(1.f));
}
inline Doubles exp2_of_fraction(Doubles f) {
  constexpr double coefficients[] = {1.02083216659839928e-07, 1.32156537490761840e-06,
                                     1.52526594357727033e-05, 1.54035299939052529e-04,
                                     1.33335582257833774e-03, 9.61812910798343773e-03,
                                     5.55041086644819590e-02, 2.40226506959091007e-01,
                                     6.93147180559949172e-01, 1.0};
  Doubles p(7.03815527655737282e-09);
  for (double c : coefficients) p = fma(p, f, Doubles(c));
  return p;
}

}  // namespace
}  // namespace rdrop::RDROP_ISA
