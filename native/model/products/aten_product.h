// The matrix product by libtorch, which gives it to oneMKL or oneDNN.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

/// out [m,n] = a [m,k] · b [k,n] + bias [n], where it is defined, else + out where `add`. All of one type.
void aten_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool add, at::Tensor& out);

}  // namespace rdrop
