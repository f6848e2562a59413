// See sampling.h.
#include "generation/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/errors.h"
#include "core/philox.h"
#include "model/config.h"

namespace rdrop {

template <typename T>
Candidates<T>::Candidates(const T* logits, int64_t classes, const SamplingOptions& options) {
  tokens.reserve(size_t(classes));
  for (int32_t token = 0; token < classes; ++token) {
    if (token != kPad && options.allows(token)) tokens.push_back(token);
  }
  const auto better = [logits](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  const int64_t most = options.top_k > 0 ? std::min(options.top_k, int64_t(tokens.size())) : int64_t(tokens.size());
  if (most < int64_t(tokens.size())) {
    std::nth_element(tokens.begin(), tokens.begin() + most - 1, tokens.end(), better);
    tokens.resize(size_t(most));
  }
  // Their order matters to top_p; otherwise it only has to be the same every time.
  if (options.top_p < 1 || options.top_k > 0) std::sort(tokens.begin(), tokens.end(), better);
  const T highest = logits[*std::min_element(tokens.begin(), tokens.end(), better)];
  for (const int32_t token : tokens) {
    weights.push_back(std::exp((double(logits[token]) - double(highest)) / options.temperature));
  }
  if (options.top_p >= 1) return;
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double sum = 0;
  size_t count = 0;
  while (count < weights.size() && sum < options.top_p * total) sum += weights[count++];
  tokens.resize(count);
  weights.resize(count);
}

template <typename T>
Sample sample(const T* logits, int64_t classes, const SamplingOptions& options, double uniform) {
  double highest = double(logits[0]), sum = 0;
  for (int64_t i = 1; i < classes; ++i) highest = std::max(highest, double(logits[i]));
  for (int64_t i = 0; i < classes; ++i) sum += std::exp(double(logits[i]) - highest);
  const double log_sum = highest + std::log(sum);
  if (!std::isfinite(log_sum)) fail(ErrorCode::non_finite, "generation: the model's logits are not finite");
  int32_t token = kPad == 0 ? 1 : 0;
  if (options.greedy) {
    for (int32_t i = 0; i < classes; ++i) {
      if (i != kPad && options.allows(i) && logits[i] > logits[token]) token = i;
    }
  } else {
    const Candidates<T> candidates(logits, classes, options);
    const double total = std::accumulate(candidates.weights.begin(), candidates.weights.end(), 0.0);
    double left = uniform * total;
    size_t i = 0;
    while (i + 1 < candidates.tokens.size() && left >= candidates.weights[i]) left -= candidates.weights[i++];
    token = candidates.tokens[i];
  }
  return {token, double(logits[token]) - log_sum};
}

double sampling_uniform(uint64_t seed, uint64_t text, uint64_t index) {
  const uint64_t key = portable::stream_key(seed, StreamRole::generation);
  uint32_t word[4];
  portable::philox4x32(uint32_t(index), uint32_t(index >> 32), uint32_t(text), uint32_t(text >> 32), uint32_t(key),
                       uint32_t(key >> 32), word, word + 1, word + 2, word + 3);
  return double((uint64_t(word[0]) << 32 | word[1]) >> 11) * 0x1p-53;
}

template struct Candidates<float>;
template struct Candidates<double>;
template Sample sample<float>(const float*, int64_t, const SamplingOptions&, double);
template Sample sample<double>(const double*, int64_t, const SamplingOptions&, double);

}  // namespace rdrop
