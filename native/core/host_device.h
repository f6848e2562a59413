// What lets one line of arithmetic run in the CPU's kernels, in a CUDA kernel and under the emulated grid: inline
// functions for host and device, and the two 16-bit types of storage. Plain code without libtorch or the C++ library;
// kernels.cc compiles it once per instruction set, hence the namespace of its own there.
#pragma once

#include <stdint.h>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define RDROP_INLINE __host__ __device__ inline
#define RDROP_ALWAYS_INLINE __host__ __device__ __forceinline__
#define RDROP_UNROLL _Pragma("unroll")
#define RDROP_NO_UNROLL _Pragma("unroll 1")
#else
#define RDROP_INLINE inline
#define RDROP_ALWAYS_INLINE [[gnu::always_inline]] inline
#define RDROP_UNROLL
#define RDROP_NO_UNROLL
#endif

#ifndef RDROP_ISA
#define RDROP_ISA portable
#endif

namespace rdrop {

/// Storage alone: arithmetic is in float.
struct Bfloat16 {
  uint16_t bits;
};
struct Half {
  uint16_t bits;
};

namespace RDROP_ISA {

RDROP_INLINE float to_float(float x) {
  return x;
}

RDROP_INLINE float to_float(Bfloat16 x) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(uint32_t(x.bits) << 16);
#else
  return __builtin_bit_cast(float, uint32_t(x.bits) << 16);
#endif
}

RDROP_INLINE float to_float(Half x) {
#ifdef __CUDA_ARCH__
  return __half2float(__ushort_as_half(x.bits));
#else
  return float(__builtin_bit_cast(_Float16, x.bits));
#endif
}

RDROP_INLINE void assign(float& to, float x) {
  to = x;
}

/// Rounds to nearest, ties to even; NaN stays NaN. Without a branch, so that loops become vectors. Vectors of an
/// instruction set have a function of the same name (simd/vector_avx2.h, simd/vector_avx512.h).
RDROP_INLINE Bfloat16 to_bfloat16(float x) {
#ifdef __CUDA_ARCH__
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
#else
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  const uint32_t nearest = bits + 0x7fffu + (bits >> 16 & 1u);
  const uint32_t is_nan = (bits & 0x7fffffffu) > 0x7f800000u ? ~0u : 0u;
  return {uint16_t(((nearest & ~is_nan) | (0x7fc00000u & is_nan)) >> 16)};
#endif
}

RDROP_INLINE void assign(Bfloat16& to, float x) {
  to = to_bfloat16(x);
}

/// Rounds to nearest, ties to even; beyond 65504 infinite.
RDROP_INLINE void assign(Half& to, float x) {
#ifdef __CUDA_ARCH__
  to.bits = __half_as_ushort(__float2half_rn(x));
#else
  to.bits = __builtin_bit_cast(uint16_t, _Float16(x));
#endif
}

/// Two elements as they lie in memory, the first one lowest.
template <typename T>
RDROP_INLINE uint32_t pack_two(float first, float second) {
#ifdef __CUDA_ARCH__
  // One conversion for both.
  if constexpr (__is_same(T, Bfloat16)) {
    const __nv_bfloat162 two = __floats2bfloat162_rn(first, second);
    return uint32_t(__bfloat16_as_ushort(two.x)) | uint32_t(__bfloat16_as_ushort(two.y)) << 16;
  } else {
    const __half2 two = __floats2half2_rn(first, second);
    return uint32_t(__half_as_ushort(two.x)) | uint32_t(__half_as_ushort(two.y)) << 16;
  }
#else
  T low, high;
  assign(low, first);
  assign(high, second);
  return uint32_t(low.bits) | uint32_t(high.bits) << 16;
#endif
}

}  // namespace RDROP_ISA
}  // namespace rdrop
