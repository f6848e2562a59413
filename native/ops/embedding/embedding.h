// Embeddings: dropout(scale · table[token] + position_table[position] + type_table[type]). R packed tokens, V types, P
// positions, Y token types (segments), D columns.
#pragma once

#include <ATen/core/Tensor.h>

#include <cmath>

#include "core/dropout.h"

namespace rdrop {

class Device;

/// What the rows are sums of. Tables of positions and of token types have the type of a norm's gains: float32, or
/// float64 where `table` has it.
struct EmbeddingInputs {
  at::Tensor table, tokens;              ///< [V,D], int32 [R]
  at::Tensor position_table, positions;  ///< [P,D] (sinusoids, or learned), int32 [R]
  at::Tensor type_table, types;          ///< [Y,D], int32 [R]; both undefined: there are none
  double scale;                          ///< of the table
};

/// Returns [R,D].
at::Tensor embedding(const EmbeddingInputs& inputs, const Dropout& dropout);

/// fairseq's factor of the table.
inline double square_root_scale(const at::Tensor& table) {
  return std::sqrt(double(table.size(1)));
}

/// A batch's rows by id (token, position or type) on a device: what embedding_groups.h makes of its ids, at the start
/// of tensors of fixed capacity, so that a captured graph can be replayed with another batch. All int32.
struct EmbeddingGroups {
  at::Tensor order;   // [R]
  at::Tensor starts;  // [R+1]
  at::Tensor tokens;  // [R]
  at::Tensor count;   // [1] groups that there are
};

/// The gradient of one of the tables, whose rows `ids` are (tokens, positions or types): adds to table_gradient [V,D].
/// gradient [R,D] of the result; scale: that of the table, 1 for positions and types; dropout: as forward. groups: of
/// the ids, on a device alone.
void embedding_backward(const at::Tensor& gradient, const at::Tensor& ids, const EmbeddingGroups& groups, double scale,
                        const Dropout& dropout, at::Tensor& table_gradient);

/// The same on a device, where the two above go by current_device(). Tables of positions and types are float32. out
/// [R,D]: where the result goes; undefined: new memory.
at::Tensor embedding_on(Device& device, const EmbeddingInputs& inputs, const Dropout& dropout, at::Tensor out = {});
/// gradient [R,D]; adds to table_gradient float32 [V,D], but nothing for rows that the groups leave out.
void embedding_backward_on(Device& device, const at::Tensor& gradient, const EmbeddingGroups& groups, double scale,
                           const Dropout& dropout, at::Tensor& table_gradient);

/// fairseq's sinusoidal positions [P,D] (sinusoidal_positional_embedding.py): the sines of D/2 frequencies, then their
/// cosines. Row padding_idx = 1 is zero; the first token of a sentence uses row 2.
at::Tensor sinusoidal_positions(int64_t rows, int64_t columns, const at::TensorOptions& options);

}  // namespace rdrop
