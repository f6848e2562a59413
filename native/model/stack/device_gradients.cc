// See device_gradients.h.
#include "model/stack/device_gradients.h"

#include <ATen/ops/as_strided.h>

#include <algorithm>
#include <utility>

#include "device/device.h"
#include "model/linear.h"
#include "model/tensors.h"

namespace rdrop {
namespace {

int64_t distance(const at::Tensor& from, const at::Tensor& to) {
  return to.storage_offset() - from.storage_offset();
}

/// Matrices of one shape at even distances in one memory as a batch [n,a,b]; undefined where they are not.
at::Tensor batch_of(const std::vector<at::Tensor>& matrices) {
  const at::Tensor& first = matrices.front();
  const int64_t step = distance(first, matrices[1]);
  for (size_t i = 0; i < matrices.size(); ++i) {
    const at::Tensor& matrix = matrices[i];
    if (!matrix.is_alias_of(first) || matrix.sizes() != first.sizes() || matrix.strides() != first.strides() ||
        distance(first, matrix) != int64_t(i) * step) {
      return {};
    }
  }
  return first.as_strided({int64_t(matrices.size()), first.size(0), first.size(1)},
                          {step, first.stride(0), first.stride(1)});
}

}  // namespace

at::Tensor LayerMemory::take(Kept kept, int64_t layer, at::IntArrayRef sizes, at::ScalarType type) {
  at::Tensor& all = all_[size_t(kept)];
  if (!all.defined()) {
    std::vector<int64_t> whole{kept == Kept::query_key_value_input ? layers_ + 1 : layers_};
    whole.insert(whole.end(), sizes.begin(), sizes.end());
    all = new_tensor(whole, type);
  }
  return all.select(0, layer);
}

void DeviceGradients::weight(Kept which, const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& out) {
  weights_[size_t(which)].push_back({gradient, input, out});
}

void DeviceGradients::bias(const at::Tensor& gradient, const at::Tensor& out) {
  biases_.push_back({gradient, {}, false});
  bias_gradients_.push_back(out);
}

void DeviceGradients::partial_sums(const at::Tensor& partial, const at::Tensor& out) {
  sums_.push_back({partial, out, add_});
}

void DeviceGradients::finish_stack(bool beside) {
  if (!beside) return finish();
  std::vector<at::Tensor> uses;
  for (const auto& layers : weights_) {
    for (const auto& [gradient, input, out] : layers) uses.insert(uses.end(), {gradient, input});
  }
  for (const auto& sum : biases_) uses.push_back(sum.x);
  for (const auto& sum : sums_) uses.push_back(sum.x);
  device_.beside(uses, [&] { finish(); });
}

void DeviceGradients::finish() {
  for (auto& layers : weights_) {
    multiply(layers);
    layers.clear();
  }
  for (size_t i = 0; i < biases_.size(); ++i) {
    const at::Tensor& x = biases_[i].x;
    const int64_t ranges = column_sums_ranges_on(device_, x, int64_t(biases_.size()));
    biases_[i].out = new_tensor({ranges, x.size(1)}, at::kFloat);
    partial_sums(biases_[i].out, bias_gradients_[i]);
  }
  column_sums_on(device_, biases_);
  column_sums_on(device_, sums_);
  biases_.clear();
  bias_gradients_.clear();
  sums_.clear();
}

bool DeviceGradients::is_unwritten(const at::Tensor& gradient) {
  return !add_ && written_.insert(gradient.const_data_ptr()).second;
}

void DeviceGradients::multiply(std::vector<WeightGradient>& layers) const {
  if (layers.empty()) return;
  std::sort(layers.begin(), layers.end(), [](const WeightGradient& a, const WeightGradient& b) {
    return a.out.storage_offset() < b.out.storage_offset();
  });
  const double beta = add_ ? 1 : 0;
  if (layers.size() > 1) {
    std::vector<at::Tensor> gradients, inputs, outs;
    for (const auto& [gradient, input, out] : layers) {
      gradients.push_back(gradient);
      inputs.push_back(input);
      outs.push_back(out);
    }
    const at::Tensor gradient = batch_of(gradients), input = batch_of(inputs);
    at::Tensor out = batch_of(outs);
    if (gradient.defined() && input.defined() && out.defined()) {
      matrix_product(gradient.transpose(1, 2), input, beta, out);
      return;
    }
  }
  for (auto& [gradient, input, out] : layers) matrix_product(gradient.t(), input, beta, out);
}

}  // namespace rdrop
