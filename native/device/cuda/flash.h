// Flash attention on packed sequences by libtorch's own kernels. R query rows, K key rows, H heads, Dh width of a head,
// n sequences.
#pragma once

#include "device/device.h"

namespace rdrop {

/// Whether a chip of this compute capability runs the kernels in both directions.
bool cuda_has_flash_attention(int compute_major, int compute_minor, at::ScalarType type, int64_t head_dim);

/// As Device::flash_attention and Device::flash_attention_backward.
FlashSaved cuda_flash_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                                const at::Tensor& query_starts, const at::Tensor& key_starts, int64_t longest_query,
                                int64_t longest_key, bool causal);
void cuda_flash_attention_backward(const at::Tensor& out_gradient, const at::Tensor& query, const at::Tensor& key,
                                   const at::Tensor& value, const FlashSaved& saved, const at::Tensor& query_starts,
                                   const at::Tensor& key_starts, int64_t longest_query, int64_t longest_key,
                                   bool causal, at::Tensor& query_gradient, at::Tensor& key_gradient,
                                   at::Tensor& value_gradient);

}  // namespace rdrop
