// What beam search is asked for and what it finds, alike on the CPU and on a device.
#pragma once

#include <cstdint>
#include <vector>

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

/// tokens end in eos; sums: the log-probability of the tokens up to each, as many.
Hypothesis hypothesis_of(std::vector<int32_t> tokens, const std::vector<double>& sums, double length_penalty);

/// The n_best of a sentence's hypotheses, best first; those of one score in the order in which they were finished.
std::vector<Hypothesis> best_of(std::vector<Hypothesis> finished, int64_t n_best);

/// Most tokens before eos that a translation of source `place` may have. Throws INVALID_ARGUMENT when min_len is more.
int64_t longest_translation(int64_t place, int64_t source_length, const BeamOptions& options, int64_t max_positions);

}  // namespace rdrop
