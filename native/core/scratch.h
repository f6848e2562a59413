// Memory of our own on the CPU: of tensors that live for a step or less, and of the large ones that stay.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

/// Uninitialized, on the CPU, in memory that earlier ones left (caching_allocator.h).
at::Tensor scratch(at::IntArrayRef sizes, at::ScalarType type);
inline at::Tensor scratch_like(const at::Tensor& tensor) {
  return scratch(tensor.sizes(), tensor.scalar_type());
}

/// While one lives, large blocks are kept for the next tensors; when one goes, those that lie idle are given back to
/// the system.
class ScratchUse {
 public:
  ScratchUse();
  ScratchUse(const ScratchUse&) = delete;
  ~ScratchUse();
};

/// [size] zeros that live as long as a model, on large pages where there are many of them.
at::Tensor lasting_zeros(int64_t size, at::ScalarType type);

}  // namespace rdrop
