// Kernel arguments of fairseq's Adam over a flat range of parameters. P elements.
#pragma once

#include <stdint.h>

namespace rdrop {

template <typename T>
struct AdamStep {
  T* parameter;           // [P]
  T* gradient;            // [P]; left at zero for the next update
  T* first_moment;        // [P]
  T* second_moment;       // [P]
  double gradient_scale;  ///< 1 / tokens, times the clipping coefficient
  double beta1, beta2, epsilon;
  double decay;      ///< lr·weight decay
  double step_size;  ///< lr·√(1-β2^t) / (1-β1^t)
};

template <typename T>
struct AdamKernels {
  void (*step)(const AdamStep<T>&, int64_t begin, int64_t end);
  /// Σ gradient² in double over the range.
  double (*sum_of_squares)(const T* gradient, int64_t begin, int64_t end);
};

}  // namespace rdrop
