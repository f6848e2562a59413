// The last layer of an encoder whose head sees the first token of each sequence and no other: keys and values of all
// rows, everything else of n rows. The numbers are those of the whole layer, masks of dropout included. On the CPU
// alone. R rows of all passes, n sequences of them, D width.
#pragma once

#include "model/sequences.h"
#include "model/stack/sublayers.h"

namespace rdrop {

class FirstTokens {
 public:
  /// The sequences must outlive it, and it the tapes that it is on.
  FirstTokens(const Sequences& sequences, int64_t heads);

  /// The state of the first tokens [n,D] after attention, as self_attention() gives that of all; state [R,D].
  State attend(Tape* tape, const State& state, const SelfAttention& weights, const LayerNorm& norm,
               const SublayerDropout& dropout) const;

  /// The dropout of a layer that has their rows alone.
  SublayerDropout dropout_of(const SublayerDropout& all) const;

 private:
  const Sequences* sequences_;
  AttentionShape shape_;  // a query of each sequence, which sees all of it
};

}  // namespace rdrop
