// One row a sequence: the state of its first token, or the mean of all. R packed rows, n sequences, D columns.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/pooling/pooling_kind.h"

namespace rdrop {

class Device;

/// states [R,D]; starts int32 [n+1], from 0 to R: sequence i is rows starts[i] .. starts[i+1]-1. Returns [n,D]; the row
/// of a sequence without tokens is 0. Goes to the device of the scope, if any.
at::Tensor pooling(const at::Tensor& states, const at::Tensor& starts, Pooling kind);

/// gradient [n,D] of the result; rows R. Returns [R,D].
at::Tensor pooling_backward(const at::Tensor& gradient, const at::Tensor& starts, int64_t rows, Pooling kind);

/// The same on a device.
at::Tensor pooling_on(Device& device, const at::Tensor& states, const at::Tensor& starts, Pooling kind);
at::Tensor pooling_backward_on(Device& device, const at::Tensor& gradient, const at::Tensor& starts, int64_t rows,
                               Pooling kind);

}  // namespace rdrop
