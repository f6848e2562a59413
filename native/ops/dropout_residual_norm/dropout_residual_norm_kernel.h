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
  T* branch_gradient;        // [R,D]; may be residual_gradient where there is no dropout
  // On the CPU, the partial sums of a range of rows, added to:
  P* gamma_gradient;  // [D]
  P* beta_gradient;   // [D]
  int64_t columns;
  Dropout dropout;
  P* bias_gradient = nullptr;  // [D] of the branch's bias; null: not wanted
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
  /// blocks: at most dropout_residual_norm_blocks(rows, D); the order of the sums over rows depends on it. partial
  /// [blocks, 3·D]: the sums of each block's rows, for gamma, beta and the branch's bias.
  void (*backward)(const DropoutResidualNormBackward<T, float>&, int64_t rows, int64_t blocks, float* partial,
                   void* stream);
};

/// Rows that a block of the backward pass has at a time.
inline int64_t dropout_residual_norm_block_rows(int64_t columns) {
  return columns <= 512 ? 8 : columns <= 1024 ? 4 : columns <= 2048 ? 2 : 1;
}

/// Most blocks none of which is without a row; one where there are no rows.
inline int64_t dropout_residual_norm_blocks(int64_t rows, int64_t columns) {
  const int64_t at_a_time = dropout_residual_norm_block_rows(columns), blocks = (rows + at_a_time - 1) / at_a_time;
  return blocks > 0 ? blocks : 1;
}
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
