// Kernel arguments of the feed-forward activation with its dropout, in place. R rows, F columns.
#pragma once

#include "ops/dropout_kernel.h"

namespace rdrop {

enum class Activation : int32_t { relu, gelu };

template <typename T>
struct ActivationForward {
  const T* in;  // [R,F]
  T* out;       // [R,F]; may be in where the backward pass needs no input (relu)
  int64_t columns;
  Activation activation;
  Dropout dropout;
};

template <typename T>
struct ActivationBackward {
  const T* saved;  // [R,F]: the output for relu, the input for gelu
  T* gradient;     // [R,F] of the output on entry, of the input on return
  int64_t columns;
  Activation activation;
  Dropout dropout;
};

template <typename T>
struct ActivationKernels {
  void (*forward)(const ActivationForward<T>&, int64_t begin, int64_t end);
  void (*backward)(const ActivationBackward<T>&, int64_t begin, int64_t end);
};

}  // namespace rdrop
