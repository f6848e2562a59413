// The R-Drop loss of two passes with the gradient of both, in one operation.
// Letters: N target positions of one pass, V classes, D width of the hidden states, z logits.
//
//   CE   = sum over both passes of (1-eps)(-log P[y]) + (eps/V) sum_v -log P[v]
//   KL   = uni: D(P1||P2) (paper's eq. 5); uni_reverse: D(P2||P1); bi: half the sum of both (eq. 2)
//   loss = CE + alpha KL, summed over the positions whose target is not ignore_index; the gradient is
//   undivided.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rdrop {

struct LossOptions {
  enum class Direction { uni, uni_reverse, bi };
  enum class PassReduction { sum, mean };
  Direction direction = Direction::uni;
  double alpha = 0;
  double label_smoothing = 0;
  int64_t ignore_index = -100;
  /// mean halves the cross-entropy (and nll) of the two passes; the KL term stays as it is.
  PassReduction pass_reduction = PassReduction::sum;
};

/// Natural logarithm; tokens counts the positions of one pass that are not ignored.
struct LossSums {
  double loss = 0, cross_entropy = 0, nll = 0, kl = 0;
  int64_t tokens = 0;

  void add(const LossSums& other) {
    loss += other.loss;
    cross_entropy += other.cross_entropy;
    nll += other.nll;
    kl += other.kl;
    tokens += other.tokens;
  }
};

/// logits [2N,V], contiguous, float32, float64 or bfloat16, rows 0..N-1 pass 1 and N..2N-1 pass 2; targets
/// int32 [N] on the CPU. gradient [2N,V] of the logits' type is overwritten and may be the logits themselves.
/// The sums do not depend on the number of threads. Throws TOKEN_OUT_OF_RANGE (before anything is written)
/// and NON_FINITE, naming the position and the pass (the gradient is then undefined).
LossSums rdrop_loss(const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options,
                    at::Tensor& gradient);

/// The losses of one pass, without gradient: logits [N,V], targets int32 [N]. kl is 0 and alpha has no part.
LossSums cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options);

}  // namespace rdrop
