// Scaled dot-product attention over packed sequences. n sequences, H heads of width Dh, D = H·Dh, Rq queries and Rk
// keys.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "ops/dropout_kernel.h"

namespace rdrop {

struct AttentionShape {
  std::vector<int32_t> query_offsets;  // [n+1]
  std::vector<int32_t> key_begin;      // [n] first row of the keys of each sequence
  std::vector<int32_t> key_end;        // [n] the row after its last
  int64_t heads;
  bool causal;
};

/// query, key, value [Rq or Rk, D]: slices of wider tensors are welcome (unit stride in the last dimension; key and
/// value share their row stride). Writes out [Rq, D] and returns the probabilities, packed, for the backward pass.
at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const AttentionShape& shape, const Dropout& dropout, at::Tensor& out);

/// out_gradient [Rq, D]; writes query_, key_ and value_gradient, which have the strides of query, key and value.
void attention_backward(const at::Tensor& out_gradient, const at::Tensor& query, const at::Tensor& key,
                        const at::Tensor& value, const at::Tensor& probability, const AttentionShape& shape,
                        const Dropout& dropout, at::Tensor& query_gradient, at::Tensor& key_gradient,
                        at::Tensor& value_gradient);

}  // namespace rdrop
