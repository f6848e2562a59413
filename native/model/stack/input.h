// The input of a stack: the sum of the embeddings, its norm where there is one, dropout. R packed rows, D width.
#pragma once

#include "model/parameters.h"
#include "model/sequences.h"
#include "model/stack/tape.h"

namespace rdrop {

/// Returns [R,D]. to_layer: the first layer's input, with no norm between. The weights and sequences must outlive the
/// tape.
at::Tensor embed(Tape* tape, const Embedding& weights, const Sequences& sequences, const Dropout& dropout,
                 bool to_layer);

/// tokens, positions int32 [R] of a decoder; without dropout. Returns [R,D].
at::Tensor embed_tokens(const Embedding& weights, const at::Tensor& tokens, const at::Tensor& positions);

}  // namespace rdrop
