// Between tensors and a device's kernels: the type of the elements.
#pragma once

#include "core/errors.h"
#include "core/host_device.h"
#include "core/tensor_elements.h"

namespace rdrop {

/// Calls f with a value of the kernels' type for a tensor's elements: float, Bfloat16 or Half.
template <typename F>
auto dispatch_device(const at::Tensor& tensor, F&& f) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return f(float{});
    case at::kBFloat16:
      return f(Bfloat16{});
    case at::kHalf:
      return f(Half{});
    default:
      fail(ErrorCode::internal, "expected float32, bfloat16 or float16 on a device, got ",
           c10::toString(tensor.scalar_type()));
  }
}

}  // namespace rdrop
