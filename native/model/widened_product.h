// out += a·b with a and b bfloat16 and out float32, on the CPU: the gradient of a weight, summed in float32.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

/// a [m,k] and b [k,n] bfloat16, each with contiguous rows or contiguous columns; out [m,n] float32, contiguous.
void add_widened_product(const at::Tensor& a, const at::Tensor& b, at::Tensor& out);

}  // namespace rdrop
