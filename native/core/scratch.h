// Tensors that live for a step or less.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

/// Uninitialised, on the CPU, in memory that earlier ones left (kept_memory.h).
at::Tensor temporary(at::IntArrayRef sizes, at::ScalarType type);
inline at::Tensor temporary_like(const at::Tensor& tensor) {
  return temporary(tensor.sizes(), tensor.scalar_type());
}

}  // namespace rdrop
