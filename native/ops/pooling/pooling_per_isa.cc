// Bodies of pooling. A mean is summed in Wide<T> over runs of columns, in the order of the rows.
#include "ops/pooling/pooling_kernel.h"

#include "core/kernels.h"

namespace rdrop::RDROP_ISA {

/// Columns whose sums lie on the stack at a time.
constexpr int64_t kRun = 256;

template <typename T>
void pooling_forward(const PoolingForward<T>& a, int64_t begin, int64_t end) {
  using W = Wide<T>;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t first = a.starts[i], rows = a.starts[i + 1] - first;
    const int64_t summed = a.kind == Pooling::mean ? rows : rows < 1 ? rows : 1;
    const W share = summed > 0 ? W(1) / W(summed) : W(0);
    for (int64_t from = 0; from < a.columns; from += kRun) {
      const int64_t count = a.columns - from < kRun ? a.columns - from : kRun;
      W sums[kRun] = {};
      for (int64_t row = 0; row < summed; ++row) {
        const T* __restrict state = a.states + (first + row) * a.columns + from;
#pragma omp simd
        for (int64_t c = 0; c < count; ++c) sums[c] += wide(state[c]);
      }
      T* __restrict out = a.out + i * a.columns + from;
#pragma omp simd
      for (int64_t c = 0; c < count; ++c) out[c] = rounded<T>(sums[c] * share);
    }
  }
}

template <typename T>
void pooling_backward(const PoolingBackward<T>& a, int64_t begin, int64_t end) {
  using W = Wide<T>;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t first = a.starts[i], rows = a.starts[i + 1] - first;
    const T* __restrict gradient = a.gradient + i * a.columns;
    for (int64_t row = 0; row < rows; ++row) {
      const W share = a.kind == Pooling::mean ? W(1) / W(rows) : row == 0 ? W(1) : W(0);
      T* __restrict to = a.states_gradient + (first + row) * a.columns;
      if (share == 0) {
        for (int64_t c = 0; c < a.columns; ++c) to[c] = rounded<T>(W(0));
        continue;
      }
#pragma omp simd
      for (int64_t c = 0; c < a.columns; ++c) to[c] = rounded<T>(wide(gradient[c]) * share);
    }
  }
}

template <typename T>
constexpr PoolingKernels<T> table = {pooling_forward<T>, pooling_backward<T>};

template <>
const PoolingKernels<float>& kernels() {
  return table<float>;
}
template <>
const PoolingKernels<double>& kernels() {
  return table<double>;
}
template <>
const PoolingKernels<Bfloat16>& kernels() {
  return table<Bfloat16>;
}

}  // namespace rdrop::RDROP_ISA
