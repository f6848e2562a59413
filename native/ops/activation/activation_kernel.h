// Kernel arguments of the activation with its dropout, and its arithmetic. R rows, F columns.
#pragma once

#include "core/dropout.h"
#include "core/element.h"
#include "ops/activation/activation_kind.h"

namespace rdrop {

template <typename T>
struct ActivationForward {
  const T* in;  // [R,F]
  T* out;       // [R,F]; may be in where in_place() says so
  int64_t columns;
  Activation activation;
  Dropout dropout;
  const T* bias = nullptr;  ///< [F] on the CPU, of the input; null where the input has its bias
};

template <typename T>
struct ActivationBackward {
  const T* saved;  // [R,F]: the output for relu, the input for gelu and tanh; not read for the identity
  T* gradient;     // [R,F] of the output on entry, of the input on return
  int64_t columns;
  Activation activation;
  Dropout dropout;
  // On the CPU, where the input came without its bias:
  const T* bias = nullptr;           // [F]
  Wide<T>* bias_gradient = nullptr;  // [F] partial sums of a range of rows, added to
};

/// On the CPU: a range of rows.
template <typename T>
struct ActivationKernels {
  void (*forward)(const ActivationForward<T>&, int64_t begin, int64_t end);
  void (*backward)(const ActivationBackward<T>&, int64_t begin, int64_t end);
};

/// On a device: all rows, on a stream.
template <typename T>
struct ActivationLaunchers {
  void (*forward)(const ActivationForward<T>&, int64_t rows, void* stream);
  /// ranges: into how many the rows are divided, at most activation_ranges(rows, F, any). partial [ranges,F]: the sums
  /// of each range's gradients, for the bias of the layer before.
  void (*backward)(const ActivationBackward<T>&, int64_t rows, int64_t ranges, float* partial, void* stream);
};

/// Columns and rows that a block of the backward pass on a device has at a time.
constexpr int64_t kActivationColumns = 512;
constexpr int64_t kActivationRows = 8;

/// How many ranges of rows give about `blocks` blocks: none without a row for each warp, one at least.
inline int64_t activation_ranges(int64_t rows, int64_t columns, int64_t blocks) {
  const int64_t slices = (columns + kActivationColumns - 1) / kActivationColumns;
  const int64_t most = (rows + kActivationRows - 1) / kActivationRows;
  const int64_t ranges = blocks / slices < most ? blocks / slices : most;
  return ranges < 1 ? 1 : ranges;
}
template <typename T>
const ActivationLaunchers<T>& activation_launchers();

namespace RDROP_ISA {

template <typename R>
RDROP_INLINE R relu(R x) {
  return x > R(0) ? x : R(0);
}

/// x·Φ(x).
template <typename R>
RDROP_INLINE R gelu(R x) {
  return R(0.5) * x * R(1.0 + __builtin_erf(double(x) * 0.70710678118654752440));
}

/// d gelu / dx = Φ(x) + x·φ(x).
RDROP_INLINE double gelu_slope(double x) {
  const double cdf = 0.5 * (1.0 + __builtin_erf(x * 0.70710678118654752440));
  const double pdf = 0.39894228040143267794 * __builtin_exp(-0.5 * x * x);
  return cdf + x * pdf;
}

template <typename R>
RDROP_INLINE R hyperbolic_tangent(R x) {
  if constexpr (sizeof(R) == sizeof(float)) return __builtin_tanhf(x);
  return __builtin_tanh(x);
}

/// d tanh / dx = 1 - tanh(x)².
RDROP_INLINE double tanh_slope(double x) {
  const double y = __builtin_tanh(x);
  return 1.0 - y * y;
}

}  // namespace RDROP_ISA
}  // namespace rdrop
