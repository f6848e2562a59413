// Which activation a layer has.
#pragma once

#include <stdint.h>

namespace rdrop {

/// identity: dropout alone.
enum class Activation : int32_t { relu, gelu, tanh, identity };

/// Whether the backward pass needs the output at most, so that the output may lie where the input did.
constexpr bool in_place(Activation kind) {
  return kind == Activation::relu || kind == Activation::identity;
}

}  // namespace rdrop
