// Bodies of the activation: relu(x) = max(x, 0); gelu(x) = x·Φ(x), exact (fairseq's gelu), or by
// vectors; tanh(x); x.
#include "ops/activation/activation_kernel.h"

#include "core/kernels.h"
#if !defined(RDROP_ISA_scalar)
#include "ops/activation/gelu_vector.h"
#endif
#include "simd/dropout_row.h"

namespace rdrop::RDROP_ISA {

template <typename T, typename F>
inline void map_row(const ActivationForward<T>& a, const T* in, T* out, F f) {
  for (int64_t c = 0; c < a.columns; ++c) out[c] = rounded<T>(f(wide(in[c]) + (a.bias ? wide(a.bias[c]) : Wide<T>(0))));
}

template <typename T>
inline void relu_row(const ActivationForward<T>& a, const T* in, T* out) {
  if (a.bias) {
    const T* __restrict bias = a.bias;
#pragma omp simd
    for (int64_t c = 0; c < a.columns; ++c) out[c] = rounded<T>(relu(wide(in[c]) + wide(bias[c])));
  } else {
#pragma omp simd
    for (int64_t c = 0; c < a.columns; ++c) out[c] = rounded<T>(relu(wide(in[c])));
  }
}

/// gelu by vectors where there are any for it.
template <typename T>
inline void vector_gelu_row(const ActivationForward<T>& a, const T* in, T* out) {
#if !defined(RDROP_ISA_scalar)
  if constexpr (sizeof(Wide<T>) == sizeof(float)) {
    const Floats zero(0.f);
    return each_vector<Floats>(a.columns, [&](auto lanes, int64_t c) {
      Floats x = load(lanes, in + c, zero);
      if (a.bias) x = x + load(lanes, a.bias + c, zero);
      store(lanes, out + c, gelu(x));
    });
  }
#endif
  map_row(a, in, out, [](Wide<T> x) { return gelu(x); });
}

template <typename T>
void activation_forward(const ActivationForward<T>& a, int64_t begin, int64_t end) {
  using W = Wide<T>;
  for (int64_t row = begin; row < end; ++row) {
    const T* in = a.in + row * a.columns;
    T* out = a.out + row * a.columns;
    switch (a.activation) {
      case Activation::relu:
        relu_row(a, in, out);
        break;
      case Activation::gelu:
        map_row(a, in, out, [](W x) { return gelu(x); });
        break;
      case Activation::vector_gelu:
        vector_gelu_row(a, in, out);
        break;
      case Activation::tanh:
        map_row(a, in, out, [](W x) { return hyperbolic_tangent(x); });
        break;
      case Activation::identity:
        if (a.bias || in != out) map_row(a, in, out, [](W x) { return x; });
        break;
    }
    if (a.dropout.p > 0) dropout_row(a.dropout, a.dropout.mask_row(row), a.columns, out, out);
  }
}

template <typename T, typename F>
inline void scale_row(const ActivationBackward<T>& a, const T* saved, T* gradient, F slope) {
  for (int64_t c = 0; c < a.columns; ++c) {
    const double x = double(wide(saved[c])) + (a.bias ? double(wide(a.bias[c])) : 0.0);
    gradient[c] = rounded<T>(Wide<T>(double(wide(gradient[c])) * slope(x)));
  }
}

template <typename T>
inline void vector_gelu_slope_row(const ActivationBackward<T>& a, const T* saved, T* gradient) {
#if !defined(RDROP_ISA_scalar)
  if constexpr (sizeof(Wide<T>) == sizeof(float)) {
    const Floats zero(0.f);
    return each_vector<Floats>(a.columns, [&](auto lanes, int64_t c) {
      Floats x = load(lanes, saved + c, zero);
      if (a.bias) x = x + load(lanes, a.bias + c, zero);
      store(lanes, gradient + c, load(lanes, gradient + c, zero) * gelu_slope(x));
    });
  }
#endif
  scale_row(a, saved, gradient, [](double x) { return gelu_slope(x); });
}

template <typename T>
void activation_backward(const ActivationBackward<T>& a, int64_t begin, int64_t end) {
  using W = Wide<T>;
  for (int64_t row = begin; row < end; ++row) {
    const T* __restrict saved = a.saved + row * a.columns;
    T* __restrict gradient = a.gradient + row * a.columns;
    if (a.dropout.p > 0) dropout_row(a.dropout, a.dropout.mask_row(row), a.columns, gradient, gradient);
    switch (a.activation) {
      case Activation::relu:
#pragma omp simd
        for (int64_t c = 0; c < a.columns; ++c) gradient[c] = where_positive(saved[c], gradient[c]);
        break;
      case Activation::gelu:
        scale_row(a, saved, gradient, [](double x) { return gelu_slope(x); });
        break;
      case Activation::vector_gelu:
        vector_gelu_slope_row(a, saved, gradient);
        break;
      case Activation::tanh:
        scale_row(a, saved, gradient, [](double x) { return tanh_slope(x); });
        break;
      case Activation::identity:
        break;
    }
    if (W* __restrict bias = a.bias_gradient) {
#pragma omp simd
      for (int64_t c = 0; c < a.columns; ++c) bias[c] += wide(gradient[c]);
    }
  }
}

template <typename T>
constexpr ActivationKernels<T> table = {activation_forward<T>, activation_backward<T>};

template <>
const ActivationKernels<float>& kernels() {
  return table<float>;
}
template <>
const ActivationKernels<double>& kernels() {
  return table<double>;
}
template <>
const ActivationKernels<Bfloat16>& kernels() {
  return table<Bfloat16>;
}

}  // namespace rdrop::RDROP_ISA
