// A target position whose sums are not finite or not safe in float32, by a whole block of threads: the log-softmax form
// of rdrop_loss_terms.h in double, element by element. It finds out what is wrong with the position, if anything. V
// classes, y the target.
#pragma once

#include "device/reduce.h"
#include "ops/rdrop_loss/rdrop_loss_terms.h"

namespace rdrop::RDROP_ISA {

/// The rows of a position, [V] each; the gradients may be the logits.
template <typename T>
struct RowPair {
  const T *z1, *z2;
  T *g1, *g2;
};

/// log(sum(exp(z))) of a row, its largest logit given.
template <class Block, typename T>
RDROP_INLINE double fallback_log_sum(Block& block, const T* z, int64_t classes, double largest, double* scratch) {
  double sum = 0;
  for (int64_t v = block.thread(); v < classes; v += block.threads()) {
    sum += __builtin_exp(double(to_float(z[v])) - largest);
  }
  return largest + __builtin_log(block_reduce(block, sum, Plus{}, scratch));
}

/// Writes the gradients, multiplied by scale, where there are two passes or a place for that of one; every thread
/// returns what the position adds to the sums. scratch: a double for each warp, in shared memory.
template <bool pair, class Block, typename T>
RDROP_INLINE RdropLossRow fallback_position(Block& block, const RowPair<T>& rows, const LossWeights& weights,
                                            int64_t classes, int64_t y, double scale, double* scratch) {
  const double target1 = to_float(rows.z1[y]), target2 = pair ? to_float(rows.z2[y]) : 0;
  double largest1 = -__builtin_inf(), largest2 = largest1, logits = 0, fault = 0;
  for (int64_t v = block.thread(); v < classes; v += block.threads()) {
    const double z1 = to_float(rows.z1[v]), z2 = pair ? to_float(rows.z2[v]) : 0;
    // A fault of pass 1 goes before one of pass 2.
    fault = !is_finite(z1) ? 2 : !is_finite(z2) && fault == 0 ? 1 : fault;
    largest1 = z1 > largest1 ? z1 : largest1, largest2 = z2 > largest2 ? z2 : largest2;
    logits += z1 + z2;
  }
  fault = block_reduce(block, fault, Larger{}, scratch);
  RdropLossRow row{0, 0, 0, fault == 2 ? fault_pass1 : fault_pass2, 0};
  PairLogs logs{};
  if (fault == 0) {
    largest1 = block_reduce(block, largest1, Larger{}, scratch);
    logs.log_sum1 = fallback_log_sum(block, rows.z1, classes, largest1, scratch);
    if constexpr (pair) {
      largest2 = block_reduce(block, largest2, Larger{}, scratch);
      logs.log_sum2 = fallback_log_sum(block, rows.z2, classes, largest2, scratch);
      for (int64_t v = block.thread(); v < classes; v += block.threads()) {
        const double l1 = to_float(rows.z1[v]) - logs.log_sum1, l2 = to_float(rows.z2[v]) - logs.log_sum2;
        logs.d12 += divergence_term(__builtin_exp(l1), l1, l2);
        logs.d21 += divergence_term(__builtin_exp(l2), l2, l1);
      }
      logs.d12 = block_reduce(block, logs.d12, Plus{}, scratch);
      logs.d21 = block_reduce(block, logs.d21, Plus{}, scratch);
    }
    logits = block_reduce(block, logits, Plus{}, scratch);
    const double nll = logs.log_sum1 - target1 + (pair ? logs.log_sum2 - target2 : 0);
    row = row_losses(weights, nll, logs.log_sum1 + logs.log_sum2 - logits / double(classes), logs.d12, logs.d21);
  }
  if (pair || rows.g1) {
    for (int64_t v = block.thread(); v < classes; v += block.threads()) {
      double g1 = __builtin_nan(""), g2 = g1;
      if (row.fault == fault_none) {
        log_softmax_gradients(weights, logs, classes, v == y, to_float(rows.z1[v]), pair ? to_float(rows.z2[v]) : 0,
                              &g1, &g2);
      }
      assign(rows.g1[v], float(g1 * scale));
      if constexpr (pair) assign(rows.g2[v], float(g2 * scale));
    }
  }
  return row;
}

}  // namespace rdrop::RDROP_ISA
