// The vectors of every processor: 16 bytes as the compiler knows them, whole ones alone. No exponentials: a scalar body
// takes those of the C library.
// Included by vector.h alone.
#pragma once

#include <stdint.h>

namespace rdrop::RDROP_ISA {
namespace {

template <typename T>
struct SmallVector {
  using Scalar = T;
  static constexpr int lanes = 16 / sizeof(T);
  typedef T Bits __attribute__((vector_size(16)));
  Bits v;
  SmallVector() = default;
  explicit SmallVector(T x) {
    for (int i = 0; i < lanes; ++i) v[i] = x;
  }
};
struct Floats : SmallVector<float> {
  using SmallVector::SmallVector;
};
struct Doubles : SmallVector<double> {
  using SmallVector::SmallVector;
};

/// Rounded twice where the processor has no such instruction.
template <class Vector>
inline Vector multiply_add(Vector a, Vector b, Vector c) {
  c.v += a.v * b.v;
  return c;
}
inline Floats fma(Floats a, Floats b, Floats c) {
  return multiply_add(a, b, c);
}
inline Doubles fma(Doubles a, Doubles b, Doubles c) {
  return multiply_add(a, b, c);
}

template <class Vector>
inline Vector load(All, const typename Vector::Scalar* p, Vector x) {
  __builtin_memcpy(&x.v, p, sizeof(x.v));
  return x;
}
template <class Vector>
inline void store(All, typename Vector::Scalar* p, Vector x) {
  __builtin_memcpy(p, &x.v, sizeof(x.v));
}

}  // namespace
}  // namespace rdrop::RDROP_ISA
