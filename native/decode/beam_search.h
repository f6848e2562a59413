// Beam search with cached keys and values: fairseq's SequenceGenerator.
#pragma once

#include <cstdint>
#include <vector>

#include "model/batch.h"
#include "model/transformer.h"

namespace rdrop {

struct BeamOptions {
  int64_t beam;
  double length_penalty;
  double max_len_a;
  int64_t max_len_b;
  int64_t min_len;
  int64_t n_best;
};

struct Hypothesis {
  std::vector<int32_t> tokens;  ///< ends in eos
  double score;
  std::vector<float> log_probabilities;  ///< one per token
};

/// n_best hypotheses a source, best first.
std::vector<std::vector<Hypothesis>> beam_search(const Transformer& model, const Packed& sources,
                                                 const BeamOptions& options);

}  // namespace rdrop
