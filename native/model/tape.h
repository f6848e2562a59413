// How a node of the tape keeps what its backward needs: in a `Saved` of its own, dropped as soon as the backward has
// run, so that activations are freed on the way back.
#pragma once

#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace rdrop {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

template <typename S>
using Holder = c10::intrusive_ptr<S>;

/// Hands the saved state to a node and takes it out of the node again when its backward runs.
template <typename S>
void keep(AutogradContext* context, const Holder<S>& saved) {
  context->saved_data["saved"] = c10::IValue::make_capsule(saved);
  context->set_materialize_grads(false);
}

template <typename S>
Holder<S> take(AutogradContext* context) {
  auto entry = context->saved_data.find("saved");
  TORCH_CHECK(entry != context->saved_data.end(), "the backward pass of this step has already run");
  auto saved = c10::static_intrusive_pointer_cast<S>(entry->second.toCapsule());
  context->saved_data.clear();
  return saved;
}

}  // namespace rdrop
