// See tensors.h.
#include "model/tensors.h"

#include <algorithm>

#include "device/device.h"
#include "core/scratch.h"

namespace rdrop {

at::Tensor new_tensor(at::IntArrayRef sizes, at::ScalarType type) {
  if (Device* device = current_device()) return device->memory().empty(sizes, type);
  return scratch(sizes, type);
}

void fill_zero(at::Tensor& tensor) {
  if (Device* device = current_device()) return device->memory().zero(tensor);
  tensor.zero_();
}

void copy_tensor(const at::Tensor& from, at::Tensor to) {
  if (Device* device = current_device()) return device->memory().copy(from, to);
  to.copy_(from);
}

at::Tensor int_tensor(const std::vector<int32_t>& values) {
  at::Tensor tensor = new_tensor({int64_t(values.size())}, at::kInt);
  if (Device* device = current_device()) {
    device->memory().upload(values.data(), values.size() * sizeof(int32_t), tensor);
  } else {
    std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<int32_t>());
  }
  return tensor;
}

at::Tensor host_copy(const at::Tensor& tensor) {
  if (Device* device = current_device()) return device->memory().download(tensor);
  return tensor.clone();
}

}  // namespace rdrop
