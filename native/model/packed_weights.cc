// See packed_weights.h.
#include "model/packed_weights.h"

#include "model/linear.h"
#include "model/tensors.h"

namespace rdrop {

const PackedFactor& PackedWeights::packed(const at::Tensor& weight) {
  const auto [place, is_new] = packed_.try_emplace(weight.const_data_ptr());
  if (is_new) place->second = pack_factor(weight.t());
  return place->second;
}

at::Tensor PackedWeights::linear(const at::Tensor& x, const Linear& layer) {
  at::Tensor out = new_tensor({x.size(0), layer.weight.value.size(0)}, x.scalar_type());
  linear_into(x, layer, out);
  return out;
}

void PackedWeights::linear_into(const at::Tensor& x, const Linear& layer, at::Tensor& out) {
  if (!packed_gemm_fits(x.scalar_type())) return rdrop::linear_into(x, layer, out);
  packed_gemm(x, packed(layer.weight.value), layer.bias.value, out);
}

void PackedWeights::product_into(const at::Tensor& x, const at::Tensor& weight, at::Tensor& out) {
  if (!packed_gemm_fits(x.scalar_type())) return matrix_product(x, weight.t(), 0, out);
  packed_gemm(x, packed(weight), at::Tensor(), out);
}

}  // namespace rdrop
