// Scaled dot-product attention over packed sequences. n sequences, H heads of width Dh, D = H·Dh, Rq queries and Rk
// keys.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "device/device.h"
#include "core/dropout.h"

namespace rdrop {

/// Where the sequences lie: for the CPU in host vectors, for a device in tensors of its own, which a captured graph
/// reads anew at every replay.
struct AttentionShape {
  std::vector<int32_t> query_offsets;  // [n+1]
  std::vector<int32_t> key_begin;      // [n] first row of the keys of each sequence
  std::vector<int32_t> key_end;        // [n] the row after its last
  int64_t heads = 1;
  bool causal = false;

  // On a device sequence i has the rows starts[i] up to starts[i+1]; empty ones are welcome, but every row of query,
  // key and value lies in a sequence: what lies in none is not written.
  at::Tensor query_starts{}, key_starts{};     // int32 [n+1]
  int64_t longest_query = 0, longest_key = 0;  ///< bounds: no sequence has more, in any replay
};

/// What attention keeps for its backward pass.
struct AttentionSaved {
  at::Tensor probability;   // on the CPU, packed
  at::Tensor out, log_sum;  // our own kernels of a device: [Rq,D], float32 [Rq,H]
  FlashSaved flash;         // flash attention
};

/// What attention reads. Slices of wider tensors are welcome: unit stride in the last dimension; key and value share
/// their row stride.
struct AttentionInputs {
  at::Tensor query;       ///< [Rq,D]
  at::Tensor key, value;  ///< [Rk,D]
  const AttentionShape& shape;
  Dropout dropout;
};

/// What its backward pass writes, with the shapes and strides of query, key and value.
struct AttentionGradients {
  at::Tensor query, key, value;
};

/// Writes out [Rq,D]. On a device, by the bounds of the lengths: in 16 bits and up to 128 rows by the kernels for short
/// sequences; beyond by flash attention where the device has it for this type and width of head and nothing is dropped,
/// and then `out` becomes its tensor; else by the plain path.
AttentionSaved attention(const AttentionInputs& inputs, at::Tensor& out);

/// out_gradient [Rq,D].
void attention_backward(const AttentionInputs& inputs, const AttentionSaved& saved, const at::Tensor& out_gradient,
                        AttentionGradients& gradients);

}  // namespace rdrop
