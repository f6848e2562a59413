// Bodies of column_sums_kernel.h.
#include "ops/column_sums/column_sums_kernel.h"

#include "core/kernels.h"

namespace rdrop::RDROP_ISA {

template <typename T>
void column_sums(const T* x, int64_t columns, Wide<T>* __restrict partial, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const T* __restrict from = x + row * columns;
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) partial[c] += wide(from[c]);
  }
}

template <typename T>
constexpr ColumnSumsKernels<T> table = {column_sums<T>};

template <>
const ColumnSumsKernels<float>& kernels() {
  return table<float>;
}
template <>
const ColumnSumsKernels<double>& kernels() {
  return table<double>;
}
template <>
const ColumnSumsKernels<Bfloat16>& kernels() {
  return table<Bfloat16>;
}

}  // namespace rdrop::RDROP_ISA
