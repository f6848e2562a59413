// The elements of a tensor as the kernels see them.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

template <typename T>
const T* elements(const at::Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}
template <typename T>
T* mutable_elements(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

/// null where the tensor is undefined.
template <typename T>
const T* optional_elements(const at::Tensor& tensor) {
  return tensor.defined() ? elements<T>(tensor) : nullptr;
}

}  // namespace rdrop
