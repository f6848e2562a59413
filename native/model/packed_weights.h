// Weights that multiply again and again without a change, as those of a decoder do: packed once where products are ours
// (ops/packed_gemm/packed_gemm.h), which a step of few rows would else spend much of its time on. R rows.
#pragma once

#include <unordered_map>

#include "model/parameters.h"
#include "ops/packed_gemm/packed_gemm.h"

namespace rdrop {

/// Remembers weights by where they lie: it must not outlive them or a change of their values.
class PackedWeights {
 public:
  /// As linear(): x [R,in] to [R,out].
  at::Tensor linear(const at::Tensor& x, const Linear& layer);
  void linear_into(const at::Tensor& x, const Linear& layer, at::Tensor& out);
  /// out [R,out] = x [R,in]·Wᵀ, weight [out,in].
  void product_into(const at::Tensor& x, const at::Tensor& weight, at::Tensor& out);

 private:
  const PackedFactor& packed(const at::Tensor& weight);
  std::unordered_map<const void*, PackedFactor> packed_;
};

}  // namespace rdrop
