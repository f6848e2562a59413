// One token drawn from the logits of a language model. V types.
#pragma once

#include <cstdint>
#include <vector>

namespace rdrop {

struct SamplingOptions {
  bool greedy;         ///< the most probable token; the rest is not read
  double temperature;  ///< logits are divided by it
  int64_t top_k;       ///< only so many of the most probable tokens; 0: all
  double top_p;        ///< only the fewest of the most probable that have this probability together; 1: all
  int64_t types = 0;   ///< only the first so many types are drawn; 0: all

  bool allows(int32_t token) const { return types == 0 || token < types; }
};

struct Sample {
  int32_t token;
  double log_probability;  ///< of the model itself: at temperature 1, among all types
};

/// Which tokens may be drawn, the most probable first, and the weight of each; their sum is not 1. All but padding,
/// then the best `top_k` of them, then the fewest of those whose probability, at this temperature and among those,
/// reaches `top_p`. Among equal logits the smaller token counts as the more probable one. logits [V] must be finite.
template <typename T>
struct Candidates {
  std::vector<int32_t> tokens;
  std::vector<double> weights;

  Candidates(const T* logits, int64_t classes, const SamplingOptions& options);
};

/// uniform: in [0, 1), decides which of the candidates it is. Throws NON_FINITE.
template <typename T>
Sample sample(const T* logits, int64_t classes, const SamplingOptions& options, double uniform);

/// The number in [0, 1) that decides token `index` of text `text`: a function of these and the seed alone.
double sampling_uniform(uint64_t seed, uint64_t text, uint64_t index);

}  // namespace rdrop
