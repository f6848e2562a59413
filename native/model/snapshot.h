// The parameters of a model as they were at one moment, to be read piece by piece. They cost no memory
// until the model is about to change: then they are copied first. Everything here runs on the engine's thread.
#pragma once

#include <memory>

#include "model/transformer.h"

namespace rdrop {

class Snapshot {
 public:
  /// Keeps the model alive.
  static std::shared_ptr<Snapshot> of(const std::shared_ptr<Transformer>& model);

  at::Tensor read(const ParameterRange& range) const;

  /// The model is about to change.
  void keep();

  int64_t bytes() const { return 0; }  // of its own, for V8's accounts: those of the model are counted already

 private:
  explicit Snapshot(std::shared_ptr<Transformer> model) : model_(std::move(model)) {}

  std::shared_ptr<Transformer> model_;
  at::Tensor kept_;  // [P] on the host; undefined while the model's own are still the same
};

}  // namespace rdrop
