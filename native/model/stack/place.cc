// See place.h.
#include "model/stack/place.h"

#include "device/device.h"
#include "model/tensors.h"
#include "ops/activation/activation.h"

namespace rdrop {

at::Tensor take(const LayerPlace& place, Kept kept, int64_t rows, int64_t columns, at::ScalarType type, int64_t ahead) {
  if (!place.memory) return new_tensor({rows, columns}, type);
  return place.memory->take(kept, place.layer + ahead, {rows, columns}, type);
}

at::Tensor take_like(const LayerPlace& place, Kept kept, const at::Tensor& tensor) {
  return take(place, kept, tensor.size(0), tensor.size(1), tensor.scalar_type());
}

Normed norm_of(const LayerPlace& place, Kept kept, const at::Tensor& input, const LayerNorm& norm) {
  if (Device* device = current_device()) {
    return dropout_residual_norm_on(*device, input, at::Tensor(), norm.gamma.value, norm.beta.value, Dropout{},
                                    norm.epsilon, take_like(place, kept, input));
  }
  return dropout_residual_norm(input, at::Tensor(), norm.gamma.value, norm.beta.value, Dropout{}, norm.epsilon);
}

at::Tensor norm_of_backward(const LayerPlace& place, const StateGradient& gradient, const Normed& normed,
                            const LayerNorm& norm) {
  if (place.gradients) {
    return norm_backward(place, gradient, normed, norm, Dropout{}, at::Tensor(), Kept::end).residual;
  }
  at::Tensor gamma = norm.gamma.gradient, beta = norm.beta.gradient;
  return dropout_residual_norm_backward(gradient.normed, gradient.sum, normed, norm.gamma.value, Dropout{}, gamma, beta)
      .residual;
}

NormedGradients norm_backward(const LayerPlace& place, const StateGradient& gradient, const Normed& normed,
                              const LayerNorm& norm, const Dropout& dropout, const at::Tensor& bias, Kept branch) {
  const at::Tensor memory = bias.defined() ? take_like(place, branch, normed.sum) : at::Tensor();
  const NormedGradientsOnDevice result = dropout_residual_norm_backward_on(
      *current_device(), gradient.normed, gradient.sum, normed, norm.gamma.value, dropout, memory);
  const int64_t width = normed.sum.size(1);
  place.gradients->partial_sums(part(result.partial, 0, width), norm.gamma.gradient);
  place.gradients->partial_sums(part(result.partial, 1, width), norm.beta.gradient);
  if (bias.defined()) place.gradients->partial_sums(part(result.partial, 2, width), bias);
  return result.inputs;
}

void activation_gradient(const at::Tensor& saved, at::Tensor& gradient, Activation kind, const Dropout& dropout) {
  if (Device* device = current_device()) {
    activation_backward_on(*device, saved, gradient, kind, dropout);
  } else {
    activation_backward(saved, gradient, kind, dropout);
  }
}

}  // namespace rdrop
