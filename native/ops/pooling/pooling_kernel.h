// Kernel arguments of pooling. R rows, n sequences, D columns.
#pragma once

#include "core/element.h"
#include "ops/pooling/pooling_kind.h"

namespace rdrop {

template <typename T>
struct PoolingForward {
  const T* states;        // [R,D]
  const int32_t* starts;  // [n+1]
  T* out;                 // [n,D]
  int64_t columns;
  Pooling kind;
};

template <typename T>
struct PoolingBackward {
  const T* gradient;      // [n,D]
  const int32_t* starts;  // [n+1]
  T* states_gradient;     // [R,D], out
  int64_t columns;
  Pooling kind;
};

/// On the CPU: a range of sequences.
template <typename T>
struct PoolingKernels {
  void (*forward)(const PoolingForward<T>&, int64_t begin, int64_t end);
  void (*backward)(const PoolingBackward<T>&, int64_t begin, int64_t end);
};

/// On a device: all sequences, on a stream.
template <typename T>
struct PoolingLaunchers {
  void (*forward)(const PoolingForward<T>&, int64_t sequences, void* stream);
  void (*backward)(const PoolingBackward<T>&, int64_t sequences, void* stream);
};
template <typename T>
const PoolingLaunchers<T>& pooling_launchers();

}  // namespace rdrop
