// See hypothesis.h.
#include "translation/hypothesis.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/errors.h"

namespace rdrop {

Hypothesis hypothesis_of(std::vector<int32_t> tokens, const std::vector<double>& sums, double length_penalty) {
  Hypothesis hypothesis;
  hypothesis.tokens = std::move(tokens);
  hypothesis.score = sums.back() / std::pow(double(hypothesis.tokens.size()), length_penalty);
  double before = 0;
  for (const double after : sums) {
    hypothesis.log_probabilities.push_back(float(after - before));
    before = after;
  }
  return hypothesis;
}

std::vector<Hypothesis> best_of(std::vector<Hypothesis> finished, int64_t n_best) {
  std::stable_sort(finished.begin(), finished.end(),
                   [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
  finished.resize(std::min(finished.size(), size_t(n_best)));
  return finished;
}

int64_t longest_translation(int64_t place, int64_t source_length, const BeamOptions& options, int64_t max_positions) {
  // Compared before it is made an integer, which is undefined for what does not fit: maxLenA may be 1e308, or NaN.
  const double allowed = options.max_len_a * double(source_length) + double(options.max_len_b);
  if (!(allowed >= 0)) {
    fail(ErrorCode::invalid_argument, "beam search: expected maxLenA and maxLenB that allow 0 tokens or more, got ",
         allowed, " for source ", place);
  }
  const int64_t most = max_positions - 1, longest = allowed < double(most) ? int64_t(allowed) : most;
  if (longest < options.min_len) {
    fail(ErrorCode::invalid_argument, "beam search: expected minLen of at most the longest length, which is ", longest,
         " for source ", place, " of ", source_length, " tokens; got minLen ", options.min_len);
  }
  return longest;
}

}  // namespace rdrop
