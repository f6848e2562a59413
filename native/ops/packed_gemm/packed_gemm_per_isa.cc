// Bodies of packed_gemm_kernel.h.
#include "ops/packed_gemm/packed_gemm_kernel.h"

#include "core/kernels.h"
#ifdef RDROP_ISA_avx512
#include "ops/packed_gemm/packed_gemm_vector.h"
#endif

namespace rdrop::RDROP_ISA {

template <typename T, int64_t width>
void pack_panels(const PanelSource<T>& source, Step<T>* to) {
  const int64_t steps = source.steps();
#ifdef RDROP_ISA_avx512
  return pack_panels_vector<T, width>(source, to);
#endif
  for (int64_t first = 0; first < source.lines; first += width) {
    for (int64_t step = 0; step < steps; ++step) {
      for (int64_t lane = 0; lane < width; ++lane, ++to) {
        for (int64_t t = 0; t < kStepTerms<T>; ++t) {
          const int64_t line = first + lane, term = step * kStepTerms<T> + t;
          const bool there = line < source.lines && term < source.terms;
          to->terms[t] = there ? source.from[line * source.line_stride + term * source.term_stride] : T{};
        }
      }
    }
  }
}

/// One left panel times one right panel.
template <typename T>
void multiply_tile(const Step<T>* left, const Step<T>* right, int64_t right_step, int64_t steps,
                   float (&sums)[kLeftPanel][kRightPanel]) {
  for (int64_t row = 0; row < kLeftPanel; ++row) {
    for (int64_t column = 0; column < kRightPanel; ++column) sums[row][column] = 0;
  }
  for (int64_t step = 0; step < steps; ++step, left += kLeftPanel, right += right_step) {
    for (int64_t row = 0; row < kLeftPanel; ++row) {
      for (int64_t column = 0; column < kRightPanel; ++column) {
        for (int64_t t = 0; t < kStepTerms<T>; ++t) {
          sums[row][column] += wide(left[row].terms[t]) * wide(right[column].terms[t]);
        }
      }
    }
  }
}

template <typename T>
void multiply_panels(const PanelBlock<T>& a) {
#ifdef RDROP_ISA_avx512
  if (multiplies_vectors<T>()) return multiply_panels_vector(a);
#endif
  float sums[kLeftPanel][kRightPanel];
  for (int64_t column = 0; column < a.columns; column += kRightPanel) {
    for (int64_t row = 0; row < a.rows; row += kLeftPanel) {
      multiply_tile(a.left + row * a.steps, a.right.from + column / kRightPanel * a.right.panel, a.right.step, a.steps,
                    sums);
      for (int64_t i = 0; i < kLeftPanel && row + i < a.rows; ++i) {
        float* out = a.out + (row + i) * a.out_stride + column;
        for (int64_t j = 0; j < kRightPanel && column + j < a.columns; ++j) {
          const float sum = sums[i][j] + (a.bias ? a.bias[column + j] : 0.f);
          out[j] = a.add ? out[j] + sum : sum;
        }
      }
    }
  }
}

template <typename T>
constexpr PackedGemmKernels<T> table = {pack_panels<T, kLeftPanel>, pack_panels<T, kRightPanel>, multiply_panels<T>};

template <>
const PackedGemmKernels<float>& kernels() {
  return table<float>;
}
template <>
const PackedGemmKernels<Bfloat16>& kernels() {
  return table<Bfloat16>;
}

}  // namespace rdrop::RDROP_ISA
