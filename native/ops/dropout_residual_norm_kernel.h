// Kernel arguments of dropout_residual_norm: see dropout_residual_norm.h for the operation. R rows, D columns.
#pragma once

#include "ops/dropout_kernel.h"

namespace rdrop {

template <typename T>
struct DropoutResidualNormForward {
  const T* residual;  // [R,D] or null: no residual
  T* sum;             // [R,D] holds the branch on entry and residual + dropout(branch) on return
  const T* gamma;     // [D]
  const T* beta;      // [D]
  T* normed;          // [R,D]
  T* mean;            // [R]
  T* rstd;            // [R]
  int64_t columns;
  double epsilon;
  Dropout dropout;
};

template <typename T>
struct DropoutResidualNormBackward {
  const T* normed_gradient;  // [R,D]
  const T* sum_gradient;     // [R,D] or null
  const T* sum;              // [R,D]
  const T* gamma;            // [D]
  const T* mean;             // [R]
  const T* rstd;             // [R]
  T* residual_gradient;      // [R,D]
  T* branch_gradient;        // [R,D]; the same pointer as residual_gradient when there is no dropout
  T* gamma_gradient;         // [D] partial sums of this range of rows, added to
  T* beta_gradient;          // [D] likewise
  int64_t columns;
  Dropout dropout;
};

template <typename T>
struct DropoutResidualNormKernels {
  void (*forward)(const DropoutResidualNormForward<T>&, int64_t begin, int64_t end);
  void (*backward)(const DropoutResidualNormBackward<T>&, int64_t begin, int64_t end);
};

}  // namespace rdrop
