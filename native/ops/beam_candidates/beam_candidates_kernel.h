// Kernel arguments of the candidates of beam search: of each row of logits the log-sum and the best continuations. R
// rows (hypotheses), V types, K continuations a row.
#pragma once

#include <stdint.h>

namespace rdrop {

/// What may follow a row: anything but eos, anything, or eos alone; never padding.
enum class Follow : uint8_t { others, any, eos };

/// Columns whose largest value is kept, so that most of a row is read once for its best.
constexpr int64_t kCandidateBlock = 64;

/// T: type of the logits; the log-sum is float64 and its terms are of T.
template <typename T>
struct BeamCandidates {
  const T* logits;       // [R,V]
  const Follow* follow;  // [R]
  int64_t classes, count, pad, eos;
  double* log_sums;  // [R] not finite exactly where a logit is NaN or +infinity or all are -infinity
  double* values;    // [R,K] the logits of the best, largest first; of equal ones the smaller token first
  int32_t* tokens;   // [R,K]
  int32_t* found;    // [R] how many there are: fewer than K where fewer tokens may follow
  T* scratch;        ///< of this thread: beam_candidates_scratch elements
};

static inline int64_t beam_candidates_scratch(int64_t classes, int64_t count) {
  return (classes + kCandidateBlock - 1) / kCandidateBlock + count + 2;
}

template <typename T>
struct BeamCandidatesKernels {
  /// Rows [begin, end).
  void (*candidates)(const BeamCandidates<T>&, int64_t begin, int64_t end);
};

}  // namespace rdrop
