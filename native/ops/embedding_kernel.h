// Kernel arguments of the embedding: rows of a table scaled by √D, plus sinusoidal positions, then dropout. R rows, D
// columns.
#pragma once

#include "ops/dropout_kernel.h"

namespace rdrop {

template <typename T>
struct EmbeddingForward {
  const T* table;           // [V,D]
  const T* positions;       // [P,D] sinusoids
  const int32_t* tokens;    // [R]
  const int32_t* position;  // [R] row of the sinusoids
  T* out;                   // [R,D]
  int64_t columns;
  double scale;
  Dropout dropout;
};

template <typename T>
struct EmbeddingBackward {
  const T* gradient;      // [R,D] of the embedding
  const int32_t* tokens;  // [R]
  T* scratch;             // [D] of this thread
  T* table_gradient;      // [V,D] added to
  int64_t rows;
  int64_t columns;
  double scale;
  Dropout dropout;
};

template <typename T>
struct EmbeddingKernels {
  void (*forward)(const EmbeddingForward<T>&, int64_t begin, int64_t end);
  /// Adds every row whose token ≡ part modulo parts, in the order of the rows: any number of parts sums alike.
  void (*backward)(const EmbeddingBackward<T>&, int64_t part, int64_t parts);
};

}  // namespace rdrop
