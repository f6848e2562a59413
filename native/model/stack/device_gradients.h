// The gradients of the parameters in a backward pass on a device. What the layers of a stack have in common is done for
// all of them at once when the stack is through: the weight gradients of a linear layer of every layer are one batch of
// products, which fills a GPU where one of them does not, and all sums over rows (gradients of biases and norms) are
// two launches. So the input and the output gradient of every linear layer are kept until then. R rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <set>
#include <vector>

#include "ops/column_sums/column_sums.h"

namespace rdrop {

class Device;

/// What is kept of a layer: the inputs of its linear layers and the gradients of their outputs.
enum class Kept : size_t {
  query_key_value_input,
  query_key_value_gradient,
  out_input,
  out_gradient,
  source_query_input,
  source_query_gradient,
  source_out_input,
  source_out_gradient,
  fc1_input,
  fc1_gradient,
  fc2_input,
  fc2_gradient,
  end
};

/// Memory of a stack of layers: what the layers keep alike lies at even distances, as a batch of products wants it.
class LayerMemory {
 public:
  explicit LayerMemory(int64_t layers) : layers_(layers) {}

  /// Memory of a layer, 0 to `layers`: the input of a layer beyond the last is the output of the stack.
  at::Tensor take(Kept kept, int64_t layer, at::IntArrayRef sizes, at::ScalarType type);

 private:
  int64_t layers_;
  std::array<at::Tensor, size_t(Kept::end)> all_;
};

class DeviceGradients {
 public:
  /// add: to what the gradients hold; else they are written, whatever they held.
  DeviceGradients(Device& device, bool add) : device_(device), add_(add) {}

  /// out [a,b] = gradientᵀ·input of gradient [R,a] and input [R,b], when the stack is through; which of the layer's.
  void weight(Kept which, const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& out);
  /// out [C] = the sums of the columns of gradient [R,C], when the stack is through.
  void bias(const at::Tensor& gradient, const at::Tensor& out);
  /// The same for float32 [n,C], which a kernel has summed of n parts of the rows.
  void partial_sums(const at::Tensor& partial, const at::Tensor& out);
  /// Does all that was left for later; beside: on the device's second stream, until its join().
  void finish_stack(bool beside);

  /// Whether nothing is to be kept of this gradient, which several operations add to: who asks first writes it.
  bool is_unwritten(const at::Tensor& gradient);
  double weight_of_old(const at::Tensor& gradient) { return is_unwritten(gradient) ? 0 : 1; }

 private:
  struct WeightGradient {
    at::Tensor gradient, input, out;
  };
  void finish();
  void multiply(std::vector<WeightGradient>& layers) const;

  Device& device_;
  bool add_;
  std::array<std::vector<WeightGradient>, size_t(Kept::end)> weights_;
  std::vector<ColumnSumOnDevice> biases_;   // their out is undefined until they are summed
  std::vector<at::Tensor> bias_gradients_;  // where those go
  std::vector<ColumnSumOnDevice> sums_;
  std::set<const void*> written_;
};

}  // namespace rdrop
