// Memory of the network, on the CPU or on the device of the scope (current_device()).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace rdrop {

/// Uninitialized.
at::Tensor new_tensor(at::IntArrayRef sizes, at::ScalarType type);
inline at::Tensor new_like(const at::Tensor& tensor) {
  return new_tensor(tensor.sizes(), tensor.scalar_type());
}
void fill_zero(at::Tensor& tensor);
/// Of one shape; the type is converted where it differs.
void copy_tensor(const at::Tensor& from, at::Tensor to);
/// int32 [n].
at::Tensor int_tensor(const std::vector<int32_t>& values);
/// A copy on the CPU that nobody else writes; waits for the device.
at::Tensor host_copy(const at::Tensor& tensor);

}  // namespace rdrop
