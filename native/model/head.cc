// See head.h: transformers' BertPooler and fairseq's RobertaClassificationHead are two of its forms.
#include "model/head.h"

#include "device/device.h"
#include "model/linear.h"
#include "model/stack/place.h"
#include "model/tensors.h"
#include "ops/activation/activation.h"
#include "ops/squared_error/squared_error.h"

namespace rdrop {
namespace {

/// What the forward pass leaves for the backward pass.
struct Outputs {
  Dropout input_dropout, dropout;
  at::Tensor pooled;  // [n,D] input of the dense layer, or without one of the projection
  at::Tensor saved;   // [n,D] for the backward pass of the dense layer's activation
  at::Tensor hidden;  // [n,D] input of the projection
  at::Tensor result;  // [n,C]
};

Activation activation_of(const ModelConfig& config) {
  return config.pooler == ModelConfig::Pooler::relu ? Activation::relu : Activation::tanh;
}

at::Tensor drop(const at::Tensor& x, const Dropout& dropout) {
  return dropout.p > 0 ? activation(x, Activation::identity, dropout) : x;
}

Outputs outputs_of(const ModelConfig& config, const Head& head, DropoutSites& sites, const at::Tensor& pooled,
                   int64_t pass_rows) {
  Outputs outputs;
  outputs.input_dropout = sites.next(config.head_input_dropout, pass_rows);
  outputs.dropout = sites.next(config.head_dropout, pass_rows);
  outputs.pooled = pooled;
  if (config.pooler == ModelConfig::Pooler::none) {
    outputs.hidden = drop(outputs.pooled, outputs.dropout);
  } else {
    outputs.pooled = drop(outputs.pooled, outputs.input_dropout);
    outputs.saved = linear(outputs.pooled, head.dense);
    outputs.hidden = activation(outputs.saved, activation_of(config), outputs.dropout);
  }
  outputs.result = linear(outputs.hidden, head.out);
  return outputs;
}

/// Adds the gradients of a layer; on a device that of the bias comes when the stack is through.
void layer_backward(const at::Tensor& gradient, const at::Tensor& x, const Linear& layer, DeviceGradients* gradients) {
  if (!gradients) return linear_backward(gradient, x, layer);
  at::Tensor weight = layer.weight.gradient;
  matrix_product(gradient.t(), x, gradients->weight_of_old(weight), weight);
  gradients->bias(gradient, layer.bias.gradient);
}

/// Returns the gradient of the pooled rows [n,D], given that of the outputs.
at::Tensor outputs_backward(const ModelConfig& config, const Head& head, const Outputs& outputs,
                            const at::Tensor& gradient, DeviceGradients* gradients) {
  layer_backward(gradient, outputs.hidden, head.out, gradients);
  at::Tensor hidden_gradient = input_gradient(gradient, head.out);
  if (config.pooler == ModelConfig::Pooler::none) {
    if (outputs.dropout.p > 0) {
      activation_gradient(outputs.hidden, hidden_gradient, Activation::identity, outputs.dropout);
    }
    return hidden_gradient;
  }
  activation_gradient(outputs.saved, hidden_gradient, activation_of(config), outputs.dropout);
  layer_backward(hidden_gradient, outputs.pooled, head.dense, gradients);
  at::Tensor pooled_gradient = input_gradient(hidden_gradient, head.dense);
  if (outputs.input_dropout.p > 0) {
    activation_gradient(outputs.pooled, pooled_gradient, Activation::identity, outputs.input_dropout);
  }
  return pooled_gradient;
}

/// The losses of the outputs, which their gradient replaces.
void loss_of(at::Tensor& outputs, const HeadTargets& targets, const LossOptions& options, LossOutput& output) {
  Device* const device = current_device();
  const bool values = targets.values.defined();
  if (!device) {
    output.sums.add(values ? squared_error(outputs, targets.values, options, outputs)
                           : rdrop_loss(outputs, targets.classes, options, outputs));
  } else if (values) {
    squared_error_on(*device, outputs, targets.values, options, outputs, output.device_sums, 0, output.gradient_scale);
  } else {
    count_positions_on(*device, targets.classes, options, output.device_sums);
    rdrop_loss_on(*device, outputs, targets.classes, options, outputs, output.device_sums, 0, output.gradient_scale);
  }
}

}  // namespace

at::Tensor head_outputs(const ModelConfig& config, const Head& head, const at::Tensor& pooled) {
  DropoutSites none(config, false, {});
  return outputs_of(config, head, none, pooled, pooled.size(0)).result;
}

at::Tensor head_loss(const ModelConfig& config, const Head& head, DropoutSites& sites, const at::Tensor& pooled,
                     const HeadTargets& targets, const LossOptions& options, LossOutput& output,
                     DeviceGradients* gradients) {
  Outputs outputs = outputs_of(config, head, sites, pooled, pooled.size(0) / options.passes);
  loss_of(outputs.result, targets, options, output);
  return outputs_backward(config, head, outputs, outputs.result, gradients);
}

}  // namespace rdrop
