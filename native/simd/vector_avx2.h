// The vectors of AVX2: 8 floats or 4 doubles; the first n lanes by a mask of sign bits.
// Included by vector.h alone.
#pragma once

#include "simd/intrinsics.h"

namespace rdrop::RDROP_ISA {
namespace {

struct Floats {
  using Scalar = float;
  static constexpr int lanes = 8;
  __m256 v;
  Floats() = default;
  explicit Floats(__m256 x) : v(x) {}
  explicit Floats(float x) : v(_mm256_set1_ps(x)) {}
};
struct Doubles {
  using Scalar = double;
  static constexpr int lanes = 4;
  __m256d v;
  Doubles() = default;
  explicit Doubles(__m256d x) : v(x) {}
  explicit Doubles(double x) : v(_mm256_set1_pd(x)) {}
};

inline Floats operator+(Floats a, Floats b) {
  return Floats(_mm256_add_ps(a.v, b.v));
}
inline Floats operator-(Floats a, Floats b) {
  return Floats(_mm256_sub_ps(a.v, b.v));
}
inline Floats operator*(Floats a, Floats b) {
  return Floats(_mm256_mul_ps(a.v, b.v));
}
inline Floats operator/(Floats a, Floats b) {
  return Floats(_mm256_div_ps(a.v, b.v));
}
inline Floats fma(Floats a, Floats b, Floats c) {
  return Floats(_mm256_fmadd_ps(a.v, b.v, c.v));
}
/// A NaN in b is passed on, one in a is not.
inline Floats max(Floats a, Floats b) {
  return Floats(_mm256_max_ps(a.v, b.v));
}
/// `negative` where x has the sign of negative numbers, else `other`.
inline Floats by_sign(Floats x, Floats negative, Floats other) {
  return Floats(_mm256_blendv_ps(other.v, negative.v, x.v));
}
inline bool any_above(Floats a, Floats b) {
  return _mm256_movemask_ps(_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)) != 0;
}

inline Doubles operator+(Doubles a, Doubles b) {
  return Doubles(_mm256_add_pd(a.v, b.v));
}
inline Doubles operator-(Doubles a, Doubles b) {
  return Doubles(_mm256_sub_pd(a.v, b.v));
}
inline Doubles operator*(Doubles a, Doubles b) {
  return Doubles(_mm256_mul_pd(a.v, b.v));
}
inline Doubles fma(Doubles a, Doubles b, Doubles c) {
  return Doubles(_mm256_fmadd_pd(a.v, b.v, c.v));
}
inline Doubles max(Doubles a, Doubles b) {
  return Doubles(_mm256_max_pd(a.v, b.v));
}
inline bool any_above(Doubles a, Doubles b) {
  return _mm256_movemask_pd(_mm256_cmp_pd(a.v, b.v, _CMP_GT_OQ)) != 0;
}

template <class Vector>
inline typename Vector::Scalar largest(Vector a) {
  auto found = a.v[0];
  for (int i = 1; i < Vector::lanes; ++i) found = a.v[i] > found ? a.v[i] : found;
  return found;
}
inline double sum(Doubles a) {
  return (a.v[0] + a.v[1]) + (a.v[2] + a.v[3]);
}

inline __m256i mask8(First f) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(f.n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline __m256i mask4(First f) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(f.n), _mm256_setr_epi64x(0, 1, 2, 3));
}
inline Floats choose(First f, Floats x, Floats other) {
  return Floats(_mm256_blendv_ps(other.v, x.v, _mm256_castsi256_ps(mask8(f))));
}
inline Doubles choose(First f, Doubles x, Doubles other) {
  return Doubles(_mm256_blendv_pd(other.v, x.v, _mm256_castsi256_pd(mask4(f))));
}

inline Floats load(All, const float* p, Floats) {
  return Floats(_mm256_loadu_ps(p));
}
inline Floats load(First f, const float* p, Floats other) {
  return choose(f, Floats(_mm256_maskload_ps(p, mask8(f))), other);
}
inline void store(All, float* p, Floats x) {
  _mm256_storeu_ps(p, x.v);
}
inline void store(First f, float* p, Floats x) {
  _mm256_maskstore_ps(p, mask8(f), x.v);
}
inline void stream(float* p, Floats x) {
  _mm256_stream_ps(p, x.v);
}

inline Doubles load(All, const double* p, Doubles) {
  return Doubles(_mm256_loadu_pd(p));
}
inline Doubles load(First f, const double* p, Doubles other) {
  return choose(f, Doubles(_mm256_maskload_pd(p, mask4(f))), other);
}
inline void store(All, double* p, Doubles x) {
  _mm256_storeu_pd(p, x.v);
}
inline void store(First f, double* p, Doubles x) {
  _mm256_maskstore_pd(p, mask4(f), x.v);
}
inline void stream(double* p, Doubles x) {
  _mm256_stream_pd(p, x.v);
}

inline Floats widen(__m128i bits) {
  return Floats(_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)));
}
/// As host_device.h's: to nearest, ties to even; NaN stays NaN.
inline __m128i to_bfloat16(Floats x) {
  const __m256i bits = _mm256_castps_si256(x.v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i nearest = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256 kept = _mm256_blendv_ps(_mm256_castsi256_ps(nearest), _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000)),
                                       _mm256_cmp_ps(x.v, x.v, _CMP_UNORD_Q));
  const __m256i upper = _mm256_srli_epi32(_mm256_castps_si256(kept), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}
inline Floats load(All, const Bfloat16* p, Floats) {
  return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Floats load(First f, const Bfloat16* p, Floats other) {
  Bfloat16 whole[8] = {};
  for (int i = 0; i < f.n; ++i) whole[i] = p[i];
  return choose(f, load(All{}, whole, other), other);
}
inline void store(All, Bfloat16* p, Floats x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), to_bfloat16(x));
}
inline void store(First f, Bfloat16* p, Floats x) {
  Bfloat16 whole[8];
  store(All{}, whole, x);
  for (int i = 0; i < f.n; ++i) p[i] = whole[i];
}
inline void stream(Bfloat16* p, Floats x) {
  _mm_stream_si128(reinterpret_cast<__m128i*>(p), to_bfloat16(x));
}

/// The sum of neighboring halves, in double.
inline Doubles promote(Floats x) {
  return Doubles(_mm256_cvtps_pd(_mm256_castps256_ps128(x.v))) +
         Doubles(_mm256_cvtps_pd(_mm256_extractf128_ps(x.v, 1)));
}

/// 2^y for y < 127 (1023 in double), but never below 2^-125 (2^-1021). NaN and infinity do not come through.
/// Adding 1.5 * 2^23 (2^52) leaves the whole number nearest to y in the low bits, from where it goes to the exponent.
inline Floats exp2(Floats y) {
  constexpr float rounding = 12582912.f;
  const Floats bounded = max(Floats(-125.f), y), rounded = bounded + Floats(rounding);
  const Floats power = exp2_of_fraction(bounded - (rounded - Floats(rounding)));
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(rounded.v), 23);
  return Floats(_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(power.v), exponent)));
}
inline Doubles exp2(Doubles y) {
  constexpr double rounding = 6755399441055744.;
  const Doubles bounded = max(Doubles(-1021.), y), rounded = bounded + Doubles(rounding);
  const Doubles power = exp2_of_fraction(bounded - (rounded - Doubles(rounding)));
  const __m256i exponent = _mm256_slli_epi64(_mm256_castpd_si256(rounded.v), 52);
  return Doubles(_mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(power.v), exponent)));
}

}  // namespace
}  // namespace rdrop::RDROP_ISA
