// The elements of a tensor as the kernels see them.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/errors.h"

namespace rdrop {

/// A cast that nothing judges would read and write beyond the tensor. Tensors of bytes hold whatever was put there.
template <typename T>
void check_elements(const at::Tensor& tensor) {
  if (tensor.element_size() == sizeof(T)) return;
  if (tensor.scalar_type() == at::kByte && tensor.nbytes() % sizeof(T) == 0) return;
  fail(ErrorCode::internal, "elements of a tensor: expected ", sizeof(T), " bytes each, got ", tensor.element_size());
}

template <typename T>
const T* elements(const at::Tensor& tensor) {
  check_elements<T>(tensor);
  return static_cast<const T*>(tensor.const_data_ptr());
}
template <typename T>
T* mutable_elements(const at::Tensor& tensor) {
  check_elements<T>(tensor);
  return static_cast<T*>(tensor.mutable_data_ptr());
}

/// null where the tensor is undefined.
template <typename T>
const T* optional_elements(const at::Tensor& tensor) {
  return tensor.defined() ? elements<T>(tensor) : nullptr;
}

}  // namespace rdrop
