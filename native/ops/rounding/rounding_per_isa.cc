// Bodies of rounding_kernel.h.
#include "ops/rounding/rounding_kernel.h"

#include "core/kernels.h"
#ifndef RDROP_ISA_scalar
#include "simd/vector.h"
#endif

namespace rdrop::RDROP_ISA {

template <bool has_bias, bool add>
inline void round_row(const float* __restrict from, const Bfloat16* __restrict bias, Bfloat16* __restrict to,
                      int64_t columns) {
#ifdef RDROP_ISA_scalar
  for (int64_t c = 0; c < columns; ++c) {
    float x = from[c];
    if constexpr (has_bias) x += wide(bias[c]);
    if constexpr (add) x += wide(to[c]);
    to[c] = rounded<Bfloat16>(x);
  }
#else
  each_vector<Floats>(columns, [&](auto lanes, int64_t c) {
    const Floats zero(0.f);
    Floats x = load(lanes, from + c, zero);
    if constexpr (has_bias) x = x + load(lanes, bias + c, zero);
    if constexpr (add) x = x + load(lanes, to + c, zero);
    store(lanes, to + c, x);
  });
#endif
}

inline void round_rows_of_product(const Rounding& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* from = a.from + row * a.from_stride;
    Bfloat16* to = a.to + row * a.to_stride;
    if (a.bias) {
      a.add ? round_row<true, true>(from, a.bias, to, a.columns) : round_row<true, false>(from, a.bias, to, a.columns);
    } else {
      a.add ? round_row<false, true>(from, a.bias, to, a.columns)
            : round_row<false, false>(from, a.bias, to, a.columns);
    }
  }
}

inline void add_widened(const Bfloat16* __restrict from, float* __restrict to, int64_t begin, int64_t end) {
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) to[i] += wide(from[i]);
}

template <>
const RoundingKernels& kernels() {
  static constexpr RoundingKernels table = {round_rows_of_product, add_widened};
  return table;
}

}  // namespace rdrop::RDROP_ISA
