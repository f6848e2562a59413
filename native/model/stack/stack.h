// A stack of layers over packed sequences: an encoder, or a decoder with or without an encoder to attend to. R rows of
// all passes, S of the source, n sequences, D width.
#pragma once

#include "model/config.h"
#include "model/parameters.h"
#include "model/sequences.h"
#include "model/stack/dropout_sites.h"
#include "model/stack/first_tokens.h"
#include "model/stack/sublayers.h"

namespace rdrop {

/// What a decoder attends to, as source_memory() takes it.
struct StackSource {
  at::Tensor states;     // [S,D] the encoder's
  at::Tensor* gradient;  ///< where theirs goes; null: no backward
  const Linear& keys;    ///< Parameters::source_keys
  const AttentionShape& shape;
};

/// Returns the last states [R,D], in pre-norm behind the last norm. own: how the sequences attend to themselves.
/// source: null in a stack without cross-attention. only: returns the states of those tokens [n,D], in a stack with a
/// layer at least; null: of all. All that is given must outlive the tape; null: no backward.
at::Tensor run_stack(const ModelConfig& config, const Stack& stack, DropoutSites& sites, Tape* tape,
                     const Sequences& sequences, const AttentionShape& own, const StackSource* source = nullptr,
                     const FirstTokens* only = nullptr);

}  // namespace rdrop
