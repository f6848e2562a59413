// Kernel arguments of dropout_residual_norm: see dropout_residual_norm.h for the operation. R rows, D columns.
#pragma once

#include "core/dropout.h"
#include "core/element.h"

namespace rdrop {

/// T: of the activations. P: of gamma, beta, statistics and their gradients; float on a device, Wide<T> on the CPU.
template <typename T, typename P = Wide<T>>
struct DropoutResidualNormForward {
  const T* residual;  // [R,D] or null: no residual
  T* sum;             // [R,D] holds the branch on entry and residual + dropout(branch + bias) on return
  const P* gamma;     // [D]
  const P* beta;      // [D]
  T* normed;          // [R,D] of the sum as it was rounded to T
  P* mean;            // [R]
  P* rstd;            // [R]
  int64_t columns;
  double epsilon;
  Dropout dropout;
  /// [D] on the CPU; null where the branch has its bias.
  const T* bias = nullptr;
};

template <typename T, typename P = Wide<T>>
struct DropoutResidualNormBackward {
  const T* normed_gradient;  // [R,D]
  const T* sum_gradient;     // [R,D] or null
  const T* sum;              // [R,D]
  const P* gamma;            // [D]
  const P* mean;             // [R]
  const P* rstd;             // [R]
  T* residual_gradient;      // [R,D]
  T* branch_gradient;        // [R,D]; the same pointer as residual_gradient when there is no dropout
  P* gamma_gradient;         // [D] added to; on the CPU the partial sums of a range of rows
  P* beta_gradient;          // [D] likewise
  int64_t columns;
  Dropout dropout;
  P* bias_gradient = nullptr;  // [D] on the CPU like gamma_gradient, of the branch's bias; null: not wanted
};

/// On the CPU: a range of rows.
template <typename T>
struct DropoutResidualNormKernels {
  void (*forward)(const DropoutResidualNormForward<T>&, int64_t begin, int64_t end);
  void (*backward)(const DropoutResidualNormBackward<T>&, int64_t begin, int64_t end);
};

/// On a device: all rows, on a stream.
template <typename T>
struct DropoutResidualNormLaunchers {
  void (*forward)(const DropoutResidualNormForward<T, float>&, int64_t rows, void* stream);
  /// blocks: most of them, on which the order of the sums over rows depends. partial: scratch memory of
  /// [grid_sum_rows(blocks), 2·D] (device/grid_sum.h).
  void (*backward)(const DropoutResidualNormBackward<T, float>&, int64_t rows, int64_t blocks, float* partial,
                   void* stream);
};
template <typename T>
const DropoutResidualNormLaunchers<T>& dropout_residual_norm_launchers();

namespace RDROP_ISA {

/// x̂ of an element s of the sum.
template <typename R>
RDROP_INLINE R standardized(R s, R mean, R rstd) {
  return (s - mean) * rstd;
}

/// ds = rstd·(g - mean(g) - x̂·mean(g·x̂)) with g = dy·γ.
template <typename R>
RDROP_INLINE R norm_gradient(R g, R x, R rstd, R g_mean, R gx_mean) {
  return rstd * (g - g_mean - x * gx_mean);
}

}  // namespace RDROP_ISA
}  // namespace rdrop
