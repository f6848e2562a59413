// The vectors of AVX-512: 16 floats or 8 doubles.
// Included by vector.h alone.
#pragma once

#include "simd/intrinsics.h"

namespace rdrop::RDROP_ISA {
namespace {

struct Floats {
  using Scalar = float;
  static constexpr int lanes = 16;
  __m512 v;
  Floats() = default;
  explicit Floats(__m512 x) : v(x) {}
  explicit Floats(float x) : v(_mm512_set1_ps(x)) {}
};
struct Doubles {
  using Scalar = double;
  static constexpr int lanes = 8;
  __m512d v;
  Doubles() = default;
  explicit Doubles(__m512d x) : v(x) {}
  explicit Doubles(double x) : v(_mm512_set1_pd(x)) {}
};

inline Floats operator+(Floats a, Floats b) {
  return Floats(_mm512_add_ps(a.v, b.v));
}
inline Floats operator-(Floats a, Floats b) {
  return Floats(_mm512_sub_ps(a.v, b.v));
}
inline Floats operator*(Floats a, Floats b) {
  return Floats(_mm512_mul_ps(a.v, b.v));
}
inline Floats operator/(Floats a, Floats b) {
  return Floats(_mm512_div_ps(a.v, b.v));
}
inline Floats fma(Floats a, Floats b, Floats c) {
  return Floats(_mm512_fmadd_ps(a.v, b.v, c.v));
}
/// A NaN in b is passed on, one in a is not.
inline Floats max(Floats a, Floats b) {
  return Floats(_mm512_max_ps(a.v, b.v));
}
/// `negative` where x has the sign of negative numbers, else `other`.
inline Floats by_sign(Floats x, Floats negative, Floats other) {
  return Floats(_mm512_mask_blend_ps(_mm512_movepi32_mask(_mm512_castps_si512(x.v)), other.v, negative.v));
}
inline bool any_above(Floats a, Floats b) {
  return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ) != 0;
}
inline float largest(Floats a) {
  return _mm512_reduce_max_ps(a.v);
}

inline Doubles operator+(Doubles a, Doubles b) {
  return Doubles(_mm512_add_pd(a.v, b.v));
}
inline Doubles operator-(Doubles a, Doubles b) {
  return Doubles(_mm512_sub_pd(a.v, b.v));
}
inline Doubles operator*(Doubles a, Doubles b) {
  return Doubles(_mm512_mul_pd(a.v, b.v));
}
inline Doubles fma(Doubles a, Doubles b, Doubles c) {
  return Doubles(_mm512_fmadd_pd(a.v, b.v, c.v));
}
inline Doubles max(Doubles a, Doubles b) {
  return Doubles(_mm512_max_pd(a.v, b.v));
}
inline bool any_above(Doubles a, Doubles b) {
  return _mm512_cmp_pd_mask(a.v, b.v, _CMP_GT_OQ) != 0;
}
inline double largest(Doubles a) {
  return _mm512_reduce_max_pd(a.v);
}
inline double sum(Doubles a) {
  return _mm512_reduce_add_pd(a.v);
}

inline __mmask16 mask16(First f) {
  return __mmask16((1u << f.n) - 1);
}
inline __mmask8 mask8(First f) {
  return __mmask8((1u << f.n) - 1);
}
inline Floats choose(First f, Floats x, Floats other) {
  return Floats(_mm512_mask_mov_ps(other.v, mask16(f), x.v));
}
inline Doubles choose(First f, Doubles x, Doubles other) {
  return Doubles(_mm512_mask_mov_pd(other.v, mask8(f), x.v));
}

inline Floats load(All, const float* p, Floats) {
  return Floats(_mm512_loadu_ps(p));
}
inline Floats load(First f, const float* p, Floats other) {
  return Floats(_mm512_mask_loadu_ps(other.v, mask16(f), p));
}
inline void store(All, float* p, Floats x) {
  _mm512_storeu_ps(p, x.v);
}
inline void store(First f, float* p, Floats x) {
  _mm512_mask_storeu_ps(p, mask16(f), x.v);
}
inline void stream(float* p, Floats x) {
  _mm512_stream_ps(p, x.v);
}

inline Doubles load(All, const double* p, Doubles) {
  return Doubles(_mm512_loadu_pd(p));
}
inline Doubles load(First f, const double* p, Doubles other) {
  return Doubles(_mm512_mask_loadu_pd(other.v, mask8(f), p));
}
inline void store(All, double* p, Doubles x) {
  _mm512_storeu_pd(p, x.v);
}
inline void store(First f, double* p, Doubles x) {
  _mm512_mask_storeu_pd(p, mask8(f), x.v);
}
inline void stream(double* p, Doubles x) {
  _mm512_stream_pd(p, x.v);
}

inline Floats widen(__m256i bits) {
  return Floats(_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)));
}
/// As host_device.h's: to nearest, ties to even; NaN stays NaN.
inline __m256i to_bfloat16(Floats x) {
  const __m512i bits = _mm512_castps_si512(x.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i nearest = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i kept =
      _mm512_mask_mov_epi32(nearest, _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q), _mm512_set1_epi32(0x7fc00000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
}
inline Floats load(All, const Bfloat16* p, Floats) {
  return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Floats load(First f, const Bfloat16* p, Floats other) {
  return choose(f, widen(_mm256_maskz_loadu_epi16(mask16(f), p)), other);
}
inline void store(All, Bfloat16* p, Floats x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bfloat16(x));
}
inline void store(First f, Bfloat16* p, Floats x) {
  _mm256_mask_storeu_epi16(p, mask16(f), to_bfloat16(x));
}
inline void stream(Bfloat16* p, Floats x) {
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), to_bfloat16(x));
}

/// The sum of neighboring halves, in double.
inline Doubles promote(Floats x) {
  return Doubles(_mm512_cvtps_pd(_mm512_castps512_ps256(x.v))) +
         Doubles(_mm512_cvtps_pd(_mm512_extractf32x8_ps(x.v, 1)));
}

/// The whole number nearest to y.
inline Floats nearest(Floats y) {
  return Floats(_mm512_maskz_roundscale_ps(0xffff, y.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline Doubles nearest(Doubles y) {
  return Doubles(_mm512_maskz_roundscale_pd(0xff, y.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
/// x * 2^n for a whole n; exactly 0 where that underflows.
inline Floats scale(Floats x, Floats n) {
  return Floats(_mm512_maskz_scalef_ps(0xffff, x.v, n.v));
}
inline Doubles scale(Doubles x, Doubles n) {
  return Doubles(_mm512_maskz_scalef_pd(0xff, x.v, n.v));
}

/// 2^y; NaN where y is infinite.
template <class Vector>
inline Vector exp2(Vector y) {
  const Vector n = nearest(y);
  return scale(exp2_of_fraction(y - n), n);
}

}  // namespace
}  // namespace rdrop::RDROP_ISA
