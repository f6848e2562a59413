// fairseq's Transformer encoder-decoder over packed tokens. B pairs, S and T source and target tokens of one pass, V
// types, D width. Both passes of R-Drop go through in one call, as 2B sequences.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/batch.h"
#include "model/config.h"
#include "model/functions.h"
#include "model/parameters.h"
#include "ops/rdrop_loss.h"

namespace rdrop {

/// Which masks a forward pass draws; off: no dropout at all.
struct DropoutKey {
  bool on = false;
  uint64_t update = 0;       ///< counted from 0
  uint64_t micro_batch = 0;  ///< within the update
};

/// Packed sequences as the network takes them.
struct Sequences {
  at::Tensor tokens, positions;  // int32 [R]
  std::vector<int32_t> offsets;  // [n+1]
  int64_t pass_rows;             ///< rows of pass 1
};

class Transformer {
 public:
  Transformer(const ModelConfig& config, at::ScalarType type, uint64_t seed);

  const ModelConfig& config() const { return config_; }
  Parameters& parameters() { return parameters_; }
  const Parameters& parameters() const { return parameters_; }
  uint64_t seed() const { return seed_; }

  /// [T,V] without dropout.
  at::Tensor logits(const PackedBatch& batch) const;

  /// The loss of both passes; adds its gradient to parameters().gradient.
  LossSums loss_and_gradients(const PackedBatch& batch, const LossOptions& options, const DropoutKey& key);

  /// The cross-entropy of one pass without dropout; kl is 0.
  LossSums evaluate(const PackedBatch& batch, const LossOptions& options) const;

  /// Encoder states [S,D] without dropout.
  at::Tensor encode(const Packed& source) const;

  /// Bytes of parameters and gradients.
  int64_t bytes() const;

  const at::Tensor& sinusoids() const { return sinusoids_; }

 private:
  struct Pass;  // the dropouts of one forward pass, site by site

  at::Tensor encode(Pass& pass, const Sequences& source) const;
  at::Tensor decode(Pass& pass, const Sequences& target, const at::Tensor& memory, const Sequences& source) const;

  ModelConfig config_;
  uint64_t seed_;
  Parameters parameters_;
  at::Tensor sinusoids_;  // [max_positions + 2, D]
};

/// int32 [n].
at::Tensor int_tensor(const std::vector<int32_t>& values);

/// The decoder's input: eos, then the target without its last token.
Packed decoder_input(const Packed& target);

/// Packs one or two passes; `second` follows `first` where it has sequences.
Sequences sequences_of(const Packed& first, const Packed& second = Packed{});

}  // namespace rdrop
