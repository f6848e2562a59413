// Bodies of the candidates of beam search. A row is swept twice, the second time out of the cache: the largest of each
// block of columns, then the sum of exponentials. The K+2 largest blocks bound the K-th best of the tokens that may
// follow (all but padding and perhaps eos), and only blocks that reach the bound are looked into.
#include "ops/beam_candidates/beam_candidates_kernel.h"

#include "core/kernels.h"
#include "simd/exponential.h"

namespace rdrop::RDROP_ISA {

/// The largest of some values; adds the number of NaN, which is never the largest, to `nans`.
template <typename T>
inline T largest_of(const T* x, int64_t count, int32_t& nans) {
  T largest = -T(__builtin_inf());
  int32_t found = 0;
#pragma omp simd reduction(max : largest) reduction(+ : found)
  for (int64_t i = 0; i < count; ++i) {
    largest = x[i] > largest ? x[i] : largest;
    found += x[i] != x[i] ? 1 : 0;
  }
  nans += found;
  return largest;
}

/// Puts a value among the `held` largest of at most `most`, largest first; later ones go behind their equals.
template <typename T>
inline int64_t insert_largest(T value, int32_t token, T* values, int32_t* tokens, int64_t held, int64_t most) {
  if (held == most && !(value > values[most - 1])) return held;
  int64_t at = held < most ? held++ : most - 1;
  for (; at > 0 && value > values[at - 1]; --at) {
    values[at] = values[at - 1];
    if (tokens) tokens[at] = tokens[at - 1];
  }
  values[at] = value;
  if (tokens) tokens[at] = token;
  return held;
}

template <typename T>
void beam_candidates(const BeamCandidates<T>& a, int64_t begin, int64_t end) {
  const int64_t blocks = (a.classes + kCandidateBlock - 1) / kCandidateBlock;
  T* block_largest = a.scratch;
  T* bounds = a.scratch + blocks;
  for (int64_t row = begin; row < end; ++row) {
    const T* x = a.logits + row * a.classes;
    const auto width = [&](int64_t block) {
      const int64_t left = a.classes - block * kCandidateBlock;
      return left < kCandidateBlock ? left : kCandidateBlock;
    };
    int32_t nans = 0;
    int64_t held = 0;
    T largest = -T(__builtin_inf());
    for (int64_t block = 0; block < blocks; ++block) {
      const T top = largest_of(x + block * kCandidateBlock, width(block), nans);
      block_largest[block] = top;
      if (top > largest) largest = top;
      held = insert_largest(top, 0, bounds, static_cast<int32_t*>(nullptr), held, a.count + 2);
    }
    if (nans > 0 || !(largest - largest == T(0))) {
      a.log_sums[row] = __builtin_nan("");
      a.found[row] = 0;
      continue;
    }
    a.log_sums[row] = double(largest) + __builtin_log(sum_of_exponentials(x, a.classes, largest, T(1)));

    double* values = a.values + row * a.count;
    int32_t* tokens = a.tokens + row * a.count;
    if (a.follow[row] == Follow::eos) {
      values[0] = x[a.eos];
      tokens[0] = int32_t(a.eos);
      a.found[row] = 1;
      continue;
    }
    const bool eos_too = a.follow[row] == Follow::any;
    const bool bounded = held == a.count + 2;
    const T bound = bounded ? bounds[held - 1] : T(0);
    int64_t found = 0;
    for (int64_t block = 0; block < blocks; ++block) {
      if (bounded && !(block_largest[block] >= bound)) continue;
      if (found == a.count && !(block_largest[block] > values[found - 1])) continue;
      const int64_t first = block * kCandidateBlock;
      for (int64_t token = first; token < first + width(block); ++token) {
        if ((bounded && !(x[token] >= bound)) || token == a.pad || (token == a.eos && !eos_too)) continue;
        found = insert_largest(double(x[token]), int32_t(token), values, tokens, found, a.count);
      }
    }
    a.found[row] = int32_t(found);
  }
}

template <typename T>
constexpr BeamCandidatesKernels<T> table = {beam_candidates<T>};

template <>
const BeamCandidatesKernels<float>& kernels() {
  return table<float>;
}
template <>
const BeamCandidatesKernels<double>& kernels() {
  return table<double>;
}

}  // namespace rdrop::RDROP_ISA
