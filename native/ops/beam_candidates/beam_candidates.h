// The best continuations of the hypotheses of a beam search, from logits. R rows (hypotheses), V types, K continuations
// a row.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "ops/beam_candidates/beam_candidates_kernel.h"

namespace rdrop {

/// Grows and is kept from step to step.
struct Continuations {
  int64_t count = 0;             ///< K
  std::vector<double> log_sums;  // [R] log Σ exp(logits); not finite exactly where a row's logits are not to be used
  std::vector<double> values;    // [R,K] logits of the best, largest first
  std::vector<int32_t> tokens;   // [R,K]; of equal logits the smaller token first
  std::vector<int32_t> found;    // [R] how many there are
};

/// logits [R,V] float32 or float64, contiguous; follow [R]. Padding and eos are those of the dictionary.
void beam_candidates(const at::Tensor& logits, const std::vector<Follow>& follow, int64_t count,
                     Continuations& continuations);

}  // namespace rdrop
