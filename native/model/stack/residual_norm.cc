// See residual_norm.h.
#include "model/stack/residual_norm.h"

#include <utility>

#include "device/device.h"
#include "model/linear.h"

namespace rdrop {

ResidualNorm::ResidualNorm(const LayerPlace& place, const at::Tensor& input, const Linear& last, const State& state,
                           const LayerNorm& norm, const Dropout& dropout, Next next)
    : place_(place), norm_(&norm), dropout_(dropout), pre_norm_(state.sum.defined()) {
  const at::Tensor& residual = pre_norm_ ? state.sum : state.normed;
  if (Device* device = current_device()) {
    bias_gradient_ = last.bias.gradient;
    const at::Tensor normed =
        take(place, next.input, input.size(0), last.weight.value.size(0), input.scalar_type(), next.ahead);
    normed_ = dropout_residual_norm_on(*device, linear(input, last), residual, norm.gamma.value, norm.beta.value,
                                       dropout, norm.epsilon, normed);
    return;
  }
  const LinearWithDeferredBias branch = linear_with_deferred_bias(input, last);
  bias_gradient_ = branch.bias_gradient;
  normed_ = dropout_residual_norm(branch.product, residual, norm.gamma.value, norm.beta.value, dropout, norm.epsilon,
                                  branch.bias);
}

State ResidualNorm::take_state() {
  return {std::exchange(normed_.normed, at::Tensor()), pre_norm_ ? normed_.sum : at::Tensor()};
}

NormedGradients ResidualNorm::backward(const StateGradient& gradient, Kept branch) const {
  if (place_.gradients) return norm_backward(place_, gradient, normed_, *norm_, dropout_, bias_gradient_, branch);
  at::Tensor gamma = norm_->gamma.gradient, beta = norm_->beta.gradient;
  return dropout_residual_norm_backward(gradient.normed, gradient.sum, normed_, norm_->gamma.value, dropout_, gamma,
                                        beta, bias_gradient_);
}

StateGradient ResidualNorm::input_gradients(const Linear& first, const at::Tensor& first_gradient,
                                            at::Tensor residual) const {
  if (pre_norm_) return {input_gradient(first_gradient, first), residual};
  add_input_gradient(first_gradient, first, residual);
  return {residual, at::Tensor()};
}

}  // namespace rdrop
