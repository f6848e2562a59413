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
  at::Tensor out, log_sum;  // the plain path of a device: [Rq,D], float32 [Rq,H]
  FlashSaved flash;         // flash attention
};

/// query, key, value [Rq or Rk, D]: slices of wider tensors are welcome (unit stride in the last dimension; key and
/// value share their row stride). Writes out [Rq, D]; where flash attention makes the output, `out` becomes its tensor.
AttentionSaved attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         const AttentionShape& shape, const Dropout& dropout, at::Tensor& out);

/// out_gradient [Rq, D]; writes query_, key_ and value_gradient, which have the strides of query, key and value.
void attention_backward(const at::Tensor& out_gradient, const at::Tensor& query, const at::Tensor& key,
                        const at::Tensor& value, const AttentionSaved& saved, const AttentionShape& shape,
                        const Dropout& dropout, at::Tensor& query_gradient, at::Tensor& key_gradient,
                        at::Tensor& value_gradient);

/// The same on a device: the two functions above go there where current_device() says so. Flash
/// attention where the device has it for this type and width of head and nothing is dropped, the plain path elsewhere.
AttentionSaved attention_on(Device& device, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const AttentionShape& shape, const Dropout& dropout, at::Tensor& out);
void attention_backward_on(Device& device, const at::Tensor& out_gradient, const at::Tensor& query,
                           const at::Tensor& key, const at::Tensor& value, const AttentionSaved& saved,
                           const AttentionShape& shape, const Dropout& dropout, at::Tensor& query_gradient,
                           at::Tensor& key_gradient, at::Tensor& value_gradient);

}  // namespace rdrop
