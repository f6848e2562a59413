// The linear layer, y = x·Wᵀ + b, with its gradients. R rows.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/parameters.h"

namespace rdrop {

/// x [R,in]. Returns [R,out].
at::Tensor linear(const at::Tensor& x, const Linear& layer);
/// The same into out [R,out].
void linear_into(const at::Tensor& x, const Linear& layer, at::Tensor& out);

/// Adds the gradients of weight and, where there is one, bias; gradient [R,out], x [R,in].
void linear_backward(const at::Tensor& gradient, const at::Tensor& x, const Linear& layer);

/// A layer whose bias the operation after it adds, and whose bias's gradient that operation's backward sums, so that no
/// sweep is made for either. On a device linear() and linear_backward() do both, and bias and bias_gradient are
/// undefined.
struct LinearWithDeferredBias {
  at::Tensor product;        // [R,out]
  at::Tensor bias;           // [out]
  at::Tensor bias_gradient;  // [out]
};
LinearWithDeferredBias linear_with_deferred_bias(const at::Tensor& x, const Linear& layer);

/// As linear_backward, for a layer whose bias is deferred.
void linear_backward_without_bias(const at::Tensor& gradient, const at::Tensor& x, const Linear& layer);

/// The gradient of x [R,in], given that of y [R,out].
at::Tensor input_gradient(const at::Tensor& gradient, const Linear& layer);

/// Adds the gradient of x to `sum` [R,in].
void add_input_gradient(const at::Tensor& gradient, const Linear& layer, at::Tensor& sum);

/// out = a·b + beta·out, beta 0 or 1. a [m,k], b [k,n], out [m,n]; transposed views are welcome, and so are a and b in
/// bfloat16 with out in float32. On a device also batches of matrices (DeviceProducts).
void matrix_product(const at::Tensor& a, const at::Tensor& b, double beta, at::Tensor& out);

/// What multiplies this type on the CPU: "rdrop" (ops/packed_gemm/packed_gemm.h), "oneMKL" or "ATen".
const char* product_library(at::ScalarType type);

}  // namespace rdrop
