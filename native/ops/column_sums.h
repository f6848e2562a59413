// Sums over the rows: the gradient of a bias. R rows, C columns.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

class Device;

/// Adds the sum of each column of x [R,C] to out float32 [C] on a device, always in the same order.
void column_sums_on(Device& device, const at::Tensor& x, at::Tensor& out);

}  // namespace rdrop
