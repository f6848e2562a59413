// Which activation a layer has.
#pragma once

#include <stdint.h>

namespace rdrop {

/// identity: dropout alone. vector_gelu: gelu on the CPU by vectors, which is not the same in the last bits; networks
/// of encoder and decoder keep the bits of gelu. On a device the two are one.
enum class Activation : int32_t { relu, gelu, tanh, identity, vector_gelu };

/// Whether the backward pass needs the output at most, so that the output may lie where the input did.
constexpr bool in_place(Activation kind) {
  return kind == Activation::relu || kind == Activation::identity;
}

}  // namespace rdrop
