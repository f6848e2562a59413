// The bodies of packed_gemm_kernel.h in AVX-512: a tile of the product stays in 24 registers while a left and a right
// panel pass by.
#pragma once

#include "simd/intrinsics.h"
#include "simd/transpose.h"
#include "ops/packed_gemm/packed_gemm_kernel.h"

namespace rdrop::RDROP_ISA {
namespace {

constexpr int kLanes = kTransposed;  // steps, or sums, in a vector

inline __mmask16 first_lanes(int64_t count) {
  return count >= kLanes ? __mmask16(0xffff) : count <= 0 ? __mmask16(0) : __mmask16((1u << count) - 1);
}

/// Up to 16 steps of one line whose terms are neighbors in memory; zeros beyond `terms`.
template <typename T>
inline __m512i load_steps(const T* from, int64_t terms) {
  const int64_t halves = terms * int64_t(sizeof(T) / 2);
  const __mmask32 mask = halves >= 32 ? ~__mmask32(0) : __mmask32((1u << halves) - 1);
  return _mm512_maskz_loadu_epi16(mask, from);
}

/// The steps at one place of up to 16 lines that are neighbors in memory.
inline __m512i load_lines(const float* from, int64_t, int64_t, __mmask16 lines) {
  return _mm512_maskz_loadu_epi32(lines, from);
}
inline __m512i load_lines(const Bfloat16* from, int64_t stride, int64_t terms, __mmask16 lines) {
  const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lines, from));
  if (terms < 2) return low;
  return _mm512_or_si512(low,
                         _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lines, from + stride)), 16));
}

template <typename T, int64_t width>
void pack_panels_vector(const PanelSource<T>& source, Step<T>* to) {
  const int64_t steps = source.steps();
  for (int64_t first = 0; first < source.lines; first += width, to += steps * width) {
    for (int64_t lane = 0; lane < width; lane += kLanes) {
      const int64_t lines = source.lines - first - lane;
      const __mmask16 lanes = first_lanes(width - lane);
      const T* from = source.from + (first + lane) * source.line_stride;
      if (source.line_stride == 1) {
        const __mmask16 there = lanes & first_lanes(lines);
        for (int64_t step = 0; step < steps; ++step) {
          const int64_t term = step * kStepTerms<T>;
          _mm512_mask_storeu_epi32(
              to + step * width + lane, lanes,
              load_lines(from + term * source.term_stride, source.term_stride, source.terms - term, there));
        }
        continue;
      }
      for (int64_t step = 0; step < steps; step += kLanes) {
        __m512i x[kLanes];
        const int64_t term = step * kStepTerms<T>;
#pragma GCC unroll 16
        for (int64_t i = 0; i < kLanes; ++i) {
          x[i] = i < width - lane && i < lines ? load_steps(from + i * source.line_stride + term, source.terms - term)
                                               : _mm512_setzero_si512();
        }
        transpose(x);
#pragma GCC unroll 16
        for (int64_t i = 0; i < kLanes; ++i) {
          if (step + i < steps) _mm512_mask_storeu_epi32(to + (step + i) * width + lane, lanes, x[i]);
        }
      }
    }
  }
}

template <typename T>
inline bool multiplies_vectors() {
  return sizeof(T) == sizeof(float) || __builtin_cpu_supports("avx512bf16");
}

/// sum + left·right, step by step.
inline __m512 add_products(float, __m512 sum, __m512i left, __m512i right) {
  return _mm512_fmadd_ps(_mm512_castsi512_ps(left), _mm512_castsi512_ps(right), sum);
}
/// By hand, for this file is compiled for chips without the instruction too; multiplies_vectors() guards it.
inline __m512 add_products(Bfloat16, __m512 sum, __m512i left, __m512i right) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
  return sum;
}

template <typename T>
void multiply_panels_vector(const PanelBlock<T>& a) {
  constexpr int halves = kRightPanel / kLanes;
  for (int64_t column = 0; column < a.columns; column += kRightPanel) {
    __mmask16 there[halves];
    __m512 bias[halves];
    for (int h = 0; h < halves; ++h) {
      there[h] = first_lanes(a.columns - column - h * kLanes);
      bias[h] = a.bias ? _mm512_maskz_loadu_ps(there[h], a.bias + column + h * kLanes) : _mm512_setzero_ps();
    }
    for (int64_t row = 0; row < a.rows; row += kLeftPanel) {
      const Step<T>* left = a.left + row * a.steps;
      const Step<T>* right = a.right.from + column / kRightPanel * a.right.panel;
      __m512 sums[kLeftPanel][halves];
#pragma GCC unroll 12
      for (int r = 0; r < kLeftPanel; ++r) {
        for (int h = 0; h < halves; ++h) sums[r][h] = _mm512_setzero_ps();
      }
      for (int64_t step = 0; step < a.steps; ++step, left += kLeftPanel, right += a.right.step) {
        const __m512i low = _mm512_loadu_si512(right), high = _mm512_loadu_si512(right + kLanes);
#pragma GCC unroll 12
        for (int r = 0; r < kLeftPanel; ++r) {
          const __m512i x = _mm512_set1_epi32(__builtin_bit_cast(int, left[r]));
          sums[r][0] = add_products(T{}, sums[r][0], x, low);
          sums[r][1] = add_products(T{}, sums[r][1], x, high);
        }
      }
      float* out = a.out + row * a.out_stride + column;
#pragma GCC unroll 12
      for (int r = 0; r < kLeftPanel; ++r) {
        if (row + r >= a.rows) break;
        for (int h = 0; h < halves; ++h) {
          float* to = out + r * a.out_stride + h * kLanes;
          __m512 x = _mm512_add_ps(sums[r][h], bias[h]);
          if (a.add) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(there[h], to));
          _mm512_mask_storeu_ps(to, there[h], x);
        }
      }
    }
  }
}

}  // namespace
}  // namespace rdrop::RDROP_ISA
