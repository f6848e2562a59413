// What a forward pass leaves for its backward pass: one function a sub-layer, called last to first, each with the
// gradient of its output. A function adds the gradients of its weights to their flat buffer, returns that of its input,
// and is dropped with all it kept as soon as it has run, so that activations are freed on the way back.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <utility>
#include <vector>

namespace rdrop {

/// Of a State (sublayers.h): sum is undefined in post-norm and where nothing came back along the residual.
struct StateGradient {
  at::Tensor normed, sum;
};

class DeviceGradients;
class LayerMemory;

/// Where the layer under way keeps what its weight gradients need; on a device alone.
struct LayerPlace {
  DeviceGradients* gradients = nullptr;
  LayerMemory* memory = nullptr;
  int64_t layer = 0;
};

class Tape {
 public:
  /// Of the layer whose forward pass is under way.
  LayerPlace place;

  /// Is told on the way back that of the flat gradient everything from this part on is final; may be empty.
  std::function<void(const at::Tensor& first)> watcher;

  using Backward = std::function<StateGradient(StateGradient)>;

  void push(Backward backward) { steps_.push_back(std::move(backward)); }

  /// Runs the functions back to the first.
  void run(StateGradient gradient) {
    while (!steps_.empty()) {
      const Backward backward = std::move(steps_.back());
      steps_.pop_back();
      gradient = backward(std::move(gradient));
    }
  }

 private:
  std::vector<Backward> steps_;
};

}  // namespace rdrop
