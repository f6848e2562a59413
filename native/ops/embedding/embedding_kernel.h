// Kernel arguments of the embedding: rows of a table scaled, plus those of positions and of token types, then dropout.
// R rows, D columns.
#pragma once

#include "core/dropout.h"
#include "core/element.h"

namespace rdrop {

/// T: of the table and the result. P: of positions and types; float on a device, Wide<T> on the CPU.
template <typename T, typename P = Wide<T>>
struct EmbeddingForward {
  const T* table;           // [V,D]
  const P* positions;       // [P,D]
  const int32_t* tokens;    // [R]
  const int32_t* position;  // [R] row of the positions
  T* out;                   // [R,D]
  int64_t columns;
  double scale;
  Dropout dropout;
  const P* types = nullptr;       // [Y,D]; null: there are none
  const int32_t* type = nullptr;  // [R] row of the types
};

/// Of one of the tables; tokens: its rows, be they tokens, positions or types.
template <typename T>
struct EmbeddingBackward {
  const T* gradient;        // [R,D] of the embedding
  const int32_t* tokens;    // [R]
  Wide<T>* table_gradient;  // [V,D] added to
  int64_t rows;
  int64_t columns;
  double scale;
  Dropout dropout;
};

/// On a device: rows by token (embedding_groups.h), the number of groups read where it lies.
template <typename T>
struct EmbeddingGroupsBackward {
  const T* gradient;      // [R,D] of the embedding
  const int32_t* order;   // [R]
  const int32_t* starts;  // [R+1]
  const int32_t* tokens;  // [R] of the groups
  const int32_t* groups;  // [1] how many of them there are
  float* table_gradient;  // [V,D] added to
  float* partial;         // [embedding_partial_rows(R), D] scratch memory
  int64_t columns;
  double scale;
  Dropout dropout;
};

/// On the CPU: a range of rows; a part of the tokens.
template <typename T>
struct EmbeddingKernels {
  void (*forward)(const EmbeddingForward<T>&, int64_t begin, int64_t end);
  /// Adds every row whose token ≡ part modulo parts, in the order of the rows: any number of parts sums alike.
  void (*backward)(const EmbeddingBackward<T>&, int64_t part, int64_t parts);
};

/// On a device: all rows, on a stream.
template <typename T>
struct EmbeddingLaunchers {
  void (*forward)(const EmbeddingForward<T, float>&, int64_t rows, void* stream);
  /// Adds the rows of a token in their order. blocks: how many share the work; the sums do not depend on it.
  void (*backward)(const EmbeddingGroupsBackward<T>&, int64_t blocks, void* stream);
};
template <typename T>
const EmbeddingLaunchers<T>& embedding_launchers();

}  // namespace rdrop
