// Kernel arguments of fairseq's Adam over a flat range of parameters, and its arithmetic. P elements.
#pragma once

#include "core/host_device.h"

namespace rdrop {

template <typename T>
struct AdamStep {
  T* parameter;           // [P]
  T* gradient;            // [P]; left at zero for the next update
  T* first_moment;        // [P]
  T* second_moment;       // [P]
  double gradient_scale;  ///< 1 / tokens, times the clipping coefficient
  double beta1, beta2, epsilon;
  double decay;              ///< lr·weight decay
  double step_size;          ///< lr·√(1-β2^t) / (1-β1^t)
  Bfloat16* copy = nullptr;  // [P] the new parameters, rounded; null: none
};

/// On the CPU: a range.
template <typename T>
struct AdamKernels {
  void (*step)(const AdamStep<T>&, int64_t begin, int64_t end);
  /// Σ gradient² in double over the range.
  double (*sum_of_squares)(const T* gradient, int64_t begin, int64_t end);
};

struct AdamCoefficients;  // adam_coefficients.h
struct AdamRange;

/// T: of the copy that the network computes with: float (there is none), Bfloat16 or Half.
template <typename T>
struct AdamOnDevice {
  float* parameter;       // [P]
  const float* gradient;  // [P]
  float* first_moment;    // [P]
  float* second_moment;   // [P]
  T* copy;                // [P] the new parameters, rounded; null: none
  const AdamCoefficients* coefficients;
  int64_t size;
  double beta1, beta2, epsilon;
  const AdamRange* ranges = nullptr;  // [range_count] of which elements, and how; null: of all, alike
  int64_t range_count = 0;
};

struct SumOfSquares {
  const float* gradient;  // [P]
  int64_t size;
  double* out;                        // [1]
  double* partial;                    // [blocks] scratch memory
  const AdamRange* ranges = nullptr;  // [range_count] of which elements; null: of all
  int64_t range_count = 0;
};

/// On a device: all elements, on a stream.
template <typename T>
struct AdamLaunchers {
  void (*step)(const AdamOnDevice<T>&, void* stream);
  /// Σ gradient². The order of the sum depends on blocks.
  void (*sum_of_squares)(const SumOfSquares&, int64_t blocks, void* stream);
};
template <typename T>
const AdamLaunchers<T>& adam_launchers();

namespace RDROP_ISA {

RDROP_INLINE float root(float x) {
  return __builtin_sqrtf(x);
}
RDROP_INLINE double root(double x) {
  return __builtin_sqrt(x);
}

template <typename R>
struct AdamConstants {
  R scale, beta1, beta2, one_minus_beta1, one_minus_beta2, epsilon, decay, step_size;
};

/// One element: p parameter, g gradient, m and v moments.
template <typename R>
RDROP_INLINE void adam_element(const AdamConstants<R>& c, R& p, R g, R& m, R& v) {
  const R gradient = g * c.scale;
  const R first = c.beta1 * m + c.one_minus_beta1 * gradient;
  const R second = c.beta2 * v + c.one_minus_beta2 * gradient * gradient;
  const R decayed = p - c.decay * p;
  m = first;
  v = second;
  p = decayed - c.step_size * (first / (root(second) + c.epsilon));
}

}  // namespace RDROP_ISA
}  // namespace rdrop
