// Matrix products of bfloat16 on the CPU, summed in float32.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

/// out = a·b + bias + beta·out. a [m,k] and b [k,n] bfloat16, each with contiguous rows or contiguous columns; bias [n]
/// bfloat16 or undefined; beta 0 or 1; out [m,n] contiguous, bfloat16 or (gradients of weights, which add up) float32,
/// then without bias.
void bfloat16_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, double beta, at::Tensor& out);

}  // namespace rdrop
