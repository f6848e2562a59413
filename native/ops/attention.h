// Scaled dot-product attention over packed sequences. n sequences, H heads of width Dh, D = H·Dh, Rq queries and Rk
// keys.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "device/device.h"
#include "ops/dropout_kernel.h"

namespace rdrop {

struct AttentionShape {
  std::vector<int32_t> query_offsets;  // [n+1]
  std::vector<int32_t> key_begin;      // [n] first row of the keys of each sequence
  std::vector<int32_t> key_end;        // [n] the row after its last
  int64_t heads = 1;
  bool causal = false;
  // On a device alone.
  at::Tensor query_starts, key_starts;         // int32 [n+1]; sequence i has rows starts[i] up to starts[i+1]
  int64_t longest_query = 0, longest_key = 0;  ///< no sequence is longer
};

/// What the backward pass needs: the probabilities, or what flash attention keeps instead.
struct AttentionSaved {
  at::Tensor probability;
  FlashSaved flash;
};

/// query, key, value [Rq or Rk, D]: slices of wider tensors are welcome (unit stride in the last dimension; key and
/// value share their row stride). Writes out [Rq, D].
AttentionSaved attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const AttentionShape& shape, const Dropout& dropout, at::Tensor& out);

/// out_gradient [Rq, D]; writes query_, key_ and value_gradient, which have the strides of query, key and value.
void attention_backward(const at::Tensor& out_gradient, const at::Tensor& query, const at::Tensor& key,
                        const at::Tensor& value, const AttentionSaved& saved, const AttentionShape& shape,
                        const Dropout& dropout, at::Tensor& query_gradient, at::Tensor& key_gradient,
                        at::Tensor& value_gradient);

}  // namespace rdrop
