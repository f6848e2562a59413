// Bodies of fairseq's Adam (fairseq/optim/adam.py): decay first, then the step; ε joins √v before any bias correction.
#include "ops/adam/adam_kernel.h"

#include "core/kernels.h"
#include "core/element.h"

namespace rdrop::RDROP_ISA {

template <typename T>
void adam_step(const AdamStep<T>& a, int64_t begin, int64_t end) {
  const AdamConstants<T> constants{T(a.gradient_scale), T(a.beta1),   T(a.beta2), T(1.0 - a.beta1),
                                   T(1.0 - a.beta2),    T(a.epsilon), T(a.decay), T(a.step_size)};
  T* __restrict p = a.parameter;
  T* __restrict g = a.gradient;
  T* __restrict m = a.first_moment;
  T* __restrict v = a.second_moment;
  if (Bfloat16* __restrict copy = a.copy) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      adam_element(constants, p[i], g[i], m[i], v[i]);
      g[i] = T(0);
      copy[i] = rounded<Bfloat16>(float(p[i]));
    }
  } else {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      adam_element(constants, p[i], g[i], m[i], v[i]);
      g[i] = T(0);
    }
  }
}

template <typename T>
double adam_sum_of_squares(const T* gradient, int64_t begin, int64_t end) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = begin; i < end; ++i) total += double(gradient[i]) * double(gradient[i]);
  return total;
}

template <typename T>
constexpr AdamKernels<T> table = {adam_step<T>, adam_sum_of_squares<T>};

template <>
const AdamKernels<float>& kernels() {
  return table<float>;
}
template <>
const AdamKernels<double>& kernels() {
  return table<double>;
}

}  // namespace rdrop::RDROP_ISA
