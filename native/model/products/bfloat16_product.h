// Matrix products of bfloat16 on the CPU, summed in float32.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

/// out = a·b + bias + beta·out. a [m,k] and b [k,n] bfloat16, each with contiguous rows or contiguous columns; beta 0
/// or 1; out [m,n] contiguous, bfloat16 or float32 (gradients of weights, which add up; logits that are compared with
/// one another); bias [n] bfloat16 or undefined, for a bfloat16 out and beta 0.
void bfloat16_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, double beta, at::Tensor& out);

/// What multiplies: "oneMKL" or "ATen".
const char* bfloat16_product_library();

}  // namespace rdrop
