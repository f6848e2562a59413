// Tensors that live for a step or less.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

/// Uninitialized, on the CPU, in memory that earlier ones left (kept_memory.h).
at::Tensor scratch(at::IntArrayRef sizes, at::ScalarType type);
inline at::Tensor scratch_like(const at::Tensor& tensor) {
  return scratch(tensor.sizes(), tensor.scalar_type());
}

}  // namespace rdrop
