// gelu(x) = x·Φ(x) and its slope by vectors of float32, for what is computed in float32 and stored in 32 or 16 bits.
// The tail Φ(-|x|) is exp(-x²/2) times a polynomial of 1/(1 + 0.35·|x|), of relative error 3.2e-8 for |x| up to 14;
// with the rounding of the arithmetic gelu is right to 5e-7 of itself.
#pragma once

#include "simd/vector.h"

namespace rdrop::RDROP_ISA {
namespace {

struct NormalTail {
  Floats size;   ///< |x|, at most 14: beyond that the tail is nothing
  Floats power;  ///< exp(-x²/2)
  Floats tail;   ///< Φ(-|x|)
};

inline NormalTail normal_tail(Floats x) {
  constexpr float coefficients[] = {1.439674636e-01f, -2.557052680e-01f, 1.591635913e-01f, -2.310232465e-02f,
                                    1.055047135e-01f, 1.198337325e-01f,  1.398617455e-01f, 1.396214117e-01f};
  const Floats zero(0.f), size = zero - max(Floats(-14.f), zero - max(zero - x, x));
  const Floats u = Floats(1.f) / fma(Floats(0.35f), size, Floats(1.f));
  Floats polynomial(-2.914508135e-02f);
  for (float c : coefficients) polynomial = fma(polynomial, u, Floats(c));
  // 2^y for y = -x²/2·log2(e), with what is rounded away of y.
  constexpr double factor = -0.72134752044448170368;
  const Floats high{float(factor)}, low{float(factor - double(float(factor)))};
  const Floats square = size * size, y = square * high;
  const Floats rest = fma(fma(size, size, zero - square), high, fma(square, low, fma(square, high, zero - y)));
  const Floats rounded = exp2(max(Floats(-125.f), y));
  const Floats power = fma(rounded, rest * Floats(0.69314718f), rounded);
  return {size, power, power * (polynomial * u)};
}

inline Floats gelu(Floats x) {
  const NormalTail normal = normal_tail(x);
  return max(Floats(0.f), x) - normal.size * normal.tail;
}

/// Φ(x) + x·φ(x)
inline Floats gelu_slope(Floats x) {
  const NormalTail normal = normal_tail(x);
  const Floats bounded = by_sign(x, Floats(0.f) - normal.size, normal.size);
  const Floats below = by_sign(x, normal.tail, Floats(1.f) - normal.tail);
  return fma(bounded * Floats(0.39894228f), normal.power, below);
}

}  // namespace
}  // namespace rdrop::RDROP_ISA
