// Token embeddings: dropout(√D · table[token] + sinusoid[position]). R packed tokens, V types, P positions, D columns.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/dropout.h"

namespace rdrop {

class Device;

/// table [V,D]; sinusoids [P,D]; tokens, positions int32 [R]. Returns [R,D].
at::Tensor embedding(const at::Tensor& table, const at::Tensor& sinusoids, const at::Tensor& tokens,
                     const at::Tensor& positions, const Dropout& dropout);

/// A batch's rows by token on a device: what embedding_groups.h makes of its tokens, at the start of tensors of fixed
/// capacity, so that a captured graph can be replayed with another batch. All int32.
struct EmbeddingGroups {
  at::Tensor order;   // [R]
  at::Tensor starts;  // [R+1]
  at::Tensor tokens;  // [R]
  at::Tensor count;   // [1] groups that there are
};

/// gradient [R,D] of the result; adds to table_gradient [V,D]. groups: on a device alone.
void embedding_backward(const at::Tensor& gradient, const at::Tensor& tokens, const EmbeddingGroups& groups,
                        const Dropout& dropout, at::Tensor& table_gradient);

/// The same on a device. sinusoids float32; the two above go there where current_device() says
/// so. out [R,D]: where the result goes; undefined: new memory.
at::Tensor embedding_on(Device& device, const at::Tensor& table, const at::Tensor& sinusoids, const at::Tensor& tokens,
                        const at::Tensor& positions, const Dropout& dropout, at::Tensor out = {});
/// gradient [R,D]; adds to table_gradient float32 [V,D], but nothing for padding.
void embedding_backward_on(Device& device, const at::Tensor& gradient, const EmbeddingGroups& groups,
                           const Dropout& dropout, at::Tensor& table_gradient);

/// fairseq's sinusoidal positions [P,D] (sinusoidal_positional_embedding.py): the sines of D/2 frequencies, then their
/// cosines. Row padding_idx = 1 is zero; the first token of a sentence uses row 2.
at::Tensor sinusoidal_positions(int64_t rows, int64_t columns, const at::TensorOptions& options);

}  // namespace rdrop
