// Sums over the rows: the gradient of a bias. R rows, C columns.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

class Device;

/// Adds the sum of each column of x [R,C] to out [C], in float64 where x is, else in float32; on the device of the
/// scope or the CPU, in an order that does not hang on threads.
void column_sums(const at::Tensor& x, at::Tensor& out);

/// The same on a device.
void column_sums_on(Device& device, const at::Tensor& x, at::Tensor& out);

}  // namespace rdrop
