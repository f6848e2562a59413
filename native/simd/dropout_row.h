// Bodies of dropout: see dropout_kernel.h.
#pragma once

#include "core/dropout.h"
#include "core/element.h"

#if defined(RDROP_ISA_avx512) || defined(RDROP_ISA_avx2)
#include "simd/intrinsics.h"
#endif

namespace rdrop::RDROP_ISA {

/// Applications of Philox that are computed together, and at most in one call.
constexpr int64_t kDropoutStep = 16;
constexpr int64_t kDropoutLanes = 64;

#if defined(RDROP_ISA_avx512) || defined(RDROP_ISA_avx2)

/// Words of 64 bits, of which Philox uses the lower half: a product needs no shuffle, and what is above is left behind.
#if defined(RDROP_ISA_avx512)
using PhiloxLanes = __m512i;
constexpr int64_t kPhiloxLanes = 8;
inline PhiloxLanes spread(uint64_t x) {
  return _mm512_set1_epi64(int64_t(x));
}
inline PhiloxLanes count_from(uint64_t x) {
  return _mm512_add_epi64(spread(x), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
}
inline PhiloxLanes multiply(PhiloxLanes a, PhiloxLanes b) {
  return _mm512_mul_epu32(a, b);
}
inline PhiloxLanes upper(PhiloxLanes a) {
  return _mm512_srli_epi64(a, 32);
}
inline PhiloxLanes exclusive_or(PhiloxLanes a, PhiloxLanes b, PhiloxLanes c) {
  return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}
inline void store_lower(uint32_t* to, PhiloxLanes a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi64_epi32(a));
}
#else
using PhiloxLanes = __m256i;
constexpr int64_t kPhiloxLanes = 4;
inline PhiloxLanes spread(uint64_t x) {
  return _mm256_set1_epi64x(int64_t(x));
}
inline PhiloxLanes count_from(uint64_t x) {
  return _mm256_add_epi64(spread(x), _mm256_setr_epi64x(0, 1, 2, 3));
}
inline PhiloxLanes multiply(PhiloxLanes a, PhiloxLanes b) {
  return _mm256_mul_epu32(a, b);
}
inline PhiloxLanes upper(PhiloxLanes a) {
  return _mm256_srli_epi64(a, 32);
}
inline PhiloxLanes exclusive_or(PhiloxLanes a, PhiloxLanes b, PhiloxLanes c) {
  return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}
inline void store_lower(uint32_t* to, PhiloxLanes a) {
  const __m256i lower = _mm256_permutevar8x32_epi32(a, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(lower));
}
#endif

/// philox.h's rounds for the applications first, first + 1, … of one row.
inline void philox_lanes(const DropoutCounter& counter, uint64_t first, uint32_t* w0, uint32_t* w1, uint32_t* w2,
                         uint32_t* w3) {
  const PhiloxLanes m0 = spread(0xD2511F53u), m1 = spread(0xCD9E8D57u);
  PhiloxLanes c0 = count_from(first), c1 = upper(c0), c2 = spread(counter.c2), c3 = spread(counter.c3);
  uint32_t k0 = counter.k0, k1 = counter.k1;
  for (int round = 0; round < 10; ++round) {
    const PhiloxLanes p0 = multiply(m0, c0), p1 = multiply(m1, c2);
    c0 = exclusive_or(upper(p1), c1, spread(k0));
    c1 = p1;
    c2 = exclusive_or(upper(p0), c3, spread(k1));
    c3 = p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  store_lower(w0, c0);
  store_lower(w1, c1);
  store_lower(w2, c2);
  store_lower(w3, c3);
}

#else

constexpr int64_t kPhiloxLanes = 1;

inline void philox_lanes(const DropoutCounter& counter, uint64_t first, uint32_t* w0, uint32_t* w1, uint32_t* w2,
                         uint32_t* w3) {
  philox4x32(uint32_t(first), uint32_t(first >> 32), counter.c2, counter.c3, counter.k0, counter.k1, w0, w1, w2, w3);
}

#endif

/// Calls visit(column, count, words) for every run of the first `wanted` of the columns of one row of the mask, with
/// one random word a column.
template <typename Visit>
inline void visit_dropout_words(const Dropout& dropout, int64_t row, int64_t columns, int64_t wanted, Visit visit) {
  const int64_t quarter = (columns + 3) / 4, applied = wanted < quarter ? wanted : quarter;
  const DropoutCounter counter = dropout_counter(dropout, dropout.stream.update, row, quarter);
  alignas(64) uint32_t words[4 * kDropoutLanes];
  // Where one call has all of the row and its quarters are whole steps, they follow each other: one run instead of
  // four.
  const bool one_run = quarter <= kDropoutLanes && columns % (4 * kDropoutStep) == 0;
  const int64_t pitch = one_run ? quarter : kDropoutLanes;
  for (int64_t l0 = 0; l0 < applied; l0 += kDropoutLanes) {
    const int64_t lanes = applied - l0 < kDropoutLanes ? applied - l0 : kDropoutLanes;
    for (int64_t step = 0; step < lanes; step += kDropoutStep) {
      for (int64_t l = step; l < step + kDropoutStep; l += kPhiloxLanes) {
        uint32_t* to = words + l;
        philox_lanes(counter, counter.first + uint64_t(l0 + l), to, to + pitch, to + 2 * pitch, to + 3 * pitch);
      }
    }
    if (one_run) return visit(int64_t(0), wanted, static_cast<const uint32_t*>(words));
    for (int64_t w = 0; w < 4; ++w) {
      const int64_t column = w * quarter + l0;
      const int64_t count = column + lanes > wanted ? wanted - column : lanes;
      if (count > 0) visit(column, count, static_cast<const uint32_t*>(words + w * pitch));
    }
  }
}
template <typename Visit>
inline void visit_dropout_words(const Dropout& dropout, int64_t row, int64_t columns, Visit visit) {
  visit_dropout_words(dropout, row, columns, columns, visit);
}

/// A dropped element becomes 0, one that stays is multiplied with 1/(1-p).
template <typename T>
struct Keep {
  uint32_t threshold;
  T scale;
  explicit Keep(const Dropout& dropout) : threshold(dropout_threshold(dropout.p)), scale(T(1.0 / (1.0 - dropout.p))) {}
  T operator()(T x, uint32_t word) const { return word >= threshold ? x * scale : T(0); }
};

/// out[c] = keep ? in[c] / (1 - p) : 0 for the first `wanted` columns of one row of the mask; out may be in.
template <typename T>
inline void dropout_row(const Dropout& dropout, int64_t row, int64_t columns, int64_t wanted, const T* in, T* out) {
  const Keep<Wide<T>> keep(dropout);
  visit_dropout_words(dropout, row, columns, wanted, [&](int64_t column, int64_t count, const uint32_t* words) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      out[column + i] = rounded<T>(keep(wide(in[column + i]), words[i]));
    }
  });
}
template <typename T>
inline void dropout_row(const Dropout& dropout, int64_t row, int64_t columns, const T* in, T* out) {
  dropout_row(dropout, row, columns, columns, in, out);
}

}  // namespace rdrop::RDROP_ISA
