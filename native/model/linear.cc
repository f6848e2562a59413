// See linear.h.
#include "model/linear.h"

#include "device/device.h"
#include "core/errors.h"
#include "model/products/aten_product.h"
#include "model/products/bfloat16_product.h"
#include "model/products/small_product.h"
#include "model/tensors.h"
#include "ops/column_sums/column_sums.h"
#include "ops/packed_gemm/packed_gemm.h"

namespace rdrop {

namespace {

/// matrix_product on the CPU; bias [n] or undefined, which goes with beta 0.
void cpu_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, double beta, at::Tensor& out) {
  if (beta != 0 && beta != 1) fail(ErrorCode::internal, "matrix_product: expected beta 0 or 1, got ", beta);
  if (packed_gemm_fits(a.scalar_type())) {
    packed_gemm(a, b, bias, beta != 0, out);
  } else if (small_product_fits(a, b, out)) {
    small_product(a, b, bias, beta != 0, out);
  } else if (a.scalar_type() == at::kBFloat16) {
    bfloat16_product(a, b, bias, beta, out);
  } else {
    aten_product(a, b, bias, beta != 0, out);
  }
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const Linear& layer) {
  at::Tensor out = new_tensor({x.size(0), layer.weight.value.size(0)}, x.scalar_type());
  linear_into(x, layer, out);
  return out;
}

void linear_into(const at::Tensor& x, const Linear& layer, at::Tensor& out) {
  if (Device* device = current_device()) {
    device->products().multiply(x, layer.weight.value.t(), out, {0, layer.bias.value, false, current_tf32()});
  } else {
    cpu_product(x, layer.weight.value.t(), layer.bias.value, 0, out);
  }
}

void linear_backward(const at::Tensor& gradient, const at::Tensor& x, const Linear& layer) {
  at::Tensor weight = layer.weight.gradient, bias = layer.bias.gradient;
  matrix_product(gradient.t(), x, 1, weight);
  if (bias.defined()) column_sums(gradient, bias);
}

LinearWithDeferredBias linear_with_deferred_bias(const at::Tensor& x, const Linear& layer) {
  if (current_device()) return {linear(x, layer), {}, {}};
  LinearWithDeferredBias result{new_tensor({x.size(0), layer.weight.value.size(0)}, x.scalar_type()), layer.bias.value,
                                layer.bias.gradient};
  matrix_product(x, layer.weight.value.t(), 0, result.product);
  return result;
}

void linear_backward_without_bias(const at::Tensor& gradient, const at::Tensor& x, const Linear& layer) {
  if (current_device()) return linear_backward(gradient, x, layer);
  at::Tensor weight = layer.weight.gradient;
  matrix_product(gradient.t(), x, 1, weight);
}

at::Tensor input_gradient(const at::Tensor& gradient, const Linear& layer) {
  at::Tensor result = new_tensor({gradient.size(0), layer.weight.value.size(1)}, gradient.scalar_type());
  matrix_product(gradient, layer.weight.value, 0, result);
  return result;
}

void add_input_gradient(const at::Tensor& gradient, const Linear& layer, at::Tensor& sum) {
  matrix_product(gradient, layer.weight.value, 1, sum);
}

void matrix_product(const at::Tensor& a, const at::Tensor& b, double beta, at::Tensor& out) {
  if (Device* device = current_device()) {
    return device->products().multiply(a, b, out, {beta, {}, false, current_tf32()});
  }
  cpu_product(a, b, at::Tensor(), beta, out);
}

const char* product_library(at::ScalarType type) {
  if (packed_gemm_fits(type)) return "rdrop";
  return type == at::kBFloat16 ? bfloat16_product_library() : "ATen";
}

}  // namespace rdrop
