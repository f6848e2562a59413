// Packed sequences as the network takes them. n sequences of one or two passes, R rows (tokens).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/batch.h"
#include "ops/attention/attention.h"
#include "ops/embedding/embedding.h"

namespace rdrop {

struct Sequences {
  at::Tensor tokens, positions;  // int32 [R]; positions are rows of their table
  std::vector<int32_t> offsets;  // [n+1]
  int64_t pass_rows;             ///< rows of pass 1
  at::Tensor starts;             // int32 [n+1], the offsets
  at::Tensor types;              // int32 [R] of a network with token types
  // On a device alone.
  int64_t longest = 0;              ///< no sequence is longer
  EmbeddingGroups groups;           ///< the rows of each token, for the backward pass
  EmbeddingGroups position_groups;  ///< likewise of learned positions
  EmbeddingGroups type_groups;      ///< and of token types

  int64_t count() const { return int64_t(offsets.size()) - 1; }
};

/// What sequences are packed for.
struct SequenceUse {
  bool backward = false;
  bool learned_positions = false;
  const std::vector<int32_t>* types = nullptr;  ///< of the first pass, and of the second; none: all 0
  bool typed = false;                           ///< the network has token types
};

/// The decoder's input: eos, then the target without its last token.
Packed decoder_input(const Packed& target);

/// The row of the table of positions of every token: fairseq counts from kPad + 1 in each sequence.
std::vector<int32_t> positions_of(const Packed& packed);

/// Packs one or two passes; `second` follows `first` where it has sequences.
Sequences sequences_of(const Packed& first, const Packed& second = {}, const SequenceUse& use = {});

/// Every sequence of `queries` sees its own of `keys`.
AttentionShape attention_shape(const Sequences& queries, const Sequences& keys, int64_t heads, bool causal);

}  // namespace rdrop
