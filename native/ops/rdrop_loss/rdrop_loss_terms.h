// The arithmetic of the fused loss, shared by the CPU's bodies and the device's kernel. V classes, y the target.
//
// Log-softmax form, from log P1 and log P2:
//   P = softmax(z), L = log P        D12 = sum P1 (L1 - L2),  D21 = sum P2 (L2 - L1)
//   CE/z  = P - (1 - eps) onehot(y) - eps/V
//   D12/z1 = P1 (L1 - L2 - D12),  D12/z2 = P2 - P1           (D21 the same with 1 and 2 exchanged)
//
// Power form, from powers of two relative to a reference r of each pass: y = (z - r) log2(e), e = 2^y. One sweep over a
// pair of rows adds up e, y and e (y1 - y2); the gradients are linear in e1, e2, e1 (y1 - y2) and e2 (y1 - y2):
//   g1 = e1 (a1 + b1 (y1 - y2)) + c1 e2 - s        g2 = e2 (a2 + b2 (y1 - y2)) + c2 e1 - s
// for every class but the target, whose two elements are computed apart, in double. Its numbers R are float, float64 or
// the vectors of an instruction set.
#pragma once

#include "core/host_device.h"
#include "ops/rdrop_loss/rdrop_loss_kernel.h"

namespace rdrop::RDROP_ISA {

constexpr double log2_of_e = 1.4426950408889634, log_of_2 = 0.6931471805599453;

/// How far y may exceed 0: 2^40 leaves room for sums and products in float.
constexpr double slack = 40;
/// A reference beyond this leaves y too few digits.
constexpr double largest_offset = 1 << 20;

RDROP_INLINE double magnitude(double x) {
  return x < 0 ? -x : x;
}

/// False for NaN as well.
RDROP_INLINE bool is_finite(double x) {
  return magnitude(x) <= 1.7976931348623157e308;
}

RDROP_INLINE float fma(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}
RDROP_INLINE double fma(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}

/// p (log p - log q), whose limit at p = 0 is 0 however far away q is.
RDROP_INLINE double divergence_term(double p, double log_p, double log_q) {
  return p > 0 ? p * (log_p - log_q) : 0;
}

/// The weights of a position whose target is y.
RDROP_INLINE LossWeights weights_at(const LossWeights& weights, int64_t y) {
  LossWeights own = weights;
  if (weights.class_weights) own.pass_weight *= weights.class_weights[y];
  return own;
}

/// What a target position adds to the sums, with nll and smooth (-log P averaged over the classes) added over the
/// passes. A weight of zero leaves its direction out, even one that overflowed.
RDROP_INLINE RdropLossRow row_losses(const LossWeights& w, double nll, double smooth, double d12, double d21) {
  const double eps = w.label_smoothing;
  RdropLossRow row{w.pass_weight * ((1 - eps) * nll + eps * smooth), w.pass_weight * nll, 0, fault_none, 1};
  if (w.forward_weight != 0) row.kl += w.forward_weight * d12;
  if (w.reverse_weight != 0) row.kl += w.reverse_weight * d21;
  if (!is_finite(row.cross_entropy) || !is_finite(row.kl)) return {0, 0, 0, fault_overflow, 0};
  return row;
}

/// log(sum(exp(z))) of both rows and their divergences.
struct PairLogs {
  double log_sum1, log_sum2, d12, d21;
};

/// The gradients of one class in log-softmax form. target: whether it is y.
RDROP_INLINE void log_softmax_gradients(const LossWeights& w, const PairLogs& logs, int64_t classes, bool target,
                                        double z1, double z2, double* g1, double* g2) {
  const double l1 = z1 - logs.log_sum1, l2 = z2 - logs.log_sum2;
  const double p1 = __builtin_exp(l1), p2 = __builtin_exp(l2);
  const double wanted = (target ? 1 - w.label_smoothing : 0) + w.label_smoothing / double(classes);
  double kl1 = 0, kl2 = 0;
  if (w.forward_weight != 0) {
    kl1 += w.forward_weight * (divergence_term(p1, l1, l2) - p1 * logs.d12);
    kl2 += w.forward_weight * (p2 - p1);
  }
  if (w.reverse_weight != 0) {
    kl1 += w.reverse_weight * (p1 - p2);
    kl2 += w.reverse_weight * (divergence_term(p2, l2, l1) - p2 * logs.d21);
  }
  *g1 = w.pass_weight * (p1 - wanted) + w.alpha * kl1;
  *g2 = w.pass_weight * (p2 - wanted) + w.alpha * kl2;
}

/// The sums of the power form: of e, of e (y1 - y2), and of y over both passes.
template <class R>
struct PowerSums {
  R e1, e2, gap1, gap2, y;

  template <bool forward, bool reverse>
  RDROP_ALWAYS_INLINE void add(R y1, R y2, R power1, R power2) {
    y = y + (y1 + y2);
    e1 = e1 + power1, e2 = e2 + power2;
    if constexpr (forward) gap1 = fma(power1, y1 - y2, gap1);
    if constexpr (reverse) gap2 = fma(power2, y1 - y2, gap2);
  }

  /// Moves the references up by -down1 and -down2, where factor = 2^down: e falls by a power of two, y1 - y2 by a
  /// constant. y, which counts every class, is left to the caller.
  RDROP_ALWAYS_INLINE void lower(R down1, R down2, R factor1, R factor2) {
    gap1 = fma(down1 - down2, e1, gap1) * factor1, gap2 = fma(down1 - down2, e2, gap2) * factor2;
    e1 = e1 * factor1, e2 = e2 * factor2;
  }
};

/// The coefficients of the gradients (head of the file).
template <class R>
struct GradientTerms {
  R a1, b1, c1, a2, b2, c2, s;

  template <bool forward, bool reverse>
  RDROP_ALWAYS_INLINE void gradients(R e1, R e2, R gap, R* g1, R* g2) const {
    R weight1 = a1, weight2 = a2, rest1 = s, rest2 = s;
    if constexpr (forward) weight1 = fma(gap, b1, a1), rest2 = fma(e1, c2, s);
    if constexpr (reverse) weight2 = fma(gap, b2, a2), rest1 = fma(e2, c1, s);
    *g1 = fma(e1, weight1, rest1), *g2 = fma(e2, weight2, rest2);
  }
};

/// One pass of a position after sweep 1.
struct PassSums {
  double e, gap;          ///< sums of e and of e (y1 - y2)
  double reference;       ///< the logit that y = 0 stands for
  double target;          ///< z of the target
  double inverse, log_e;  ///< 1 / e and its natural logarithm
  double p;               ///< P of the target

  /// The last three from the others.
  RDROP_INLINE void complete() {
    inverse = 1 / e;
    log_e = log_of_2 * __builtin_log2(e);
    p = __builtin_exp(target - log_sum());
  }

  /// log(sum(exp(z))).
  RDROP_INLINE double log_sum() const { return reference + log_e; }
};

/// Losses of a position in the power form, and what its gradients need of them.
struct PowerLosses {
  /// Whether everything lies within the bound given, so that no product of the second sweep overflows; the rest means
  /// nothing otherwise, and the position needs the log-softmax form.
  bool safe;
  RdropLossRow row;
  /// log_e of pass 2 less that of pass 1, so that log P1 - log P2 is unit (y1 - y2) + offset: the references fall out.
  double offset;
  double d12, d21;
};

/// pair: two passes; `two` has no part otherwise. logits: their sum over the passes. unit: natural logarithms in one y.
RDROP_INLINE void power_losses(const LossWeights& weights, int64_t classes, bool pair, const PassSums& one,
                               const PassSums& two, double logits, double unit, double offset, double bound,
                               PowerLosses* losses) {
  const bool forward = pair && weights.forward_weight != 0, reverse = pair && weights.reverse_weight != 0;
  const double d12 = forward ? unit * one.gap * one.inverse + offset : 0;
  const double d21 = reverse ? -offset - unit * two.gap * two.inverse : 0;
  // NaN fails every comparison.
  losses->safe = one.e < bound && (!pair || two.e < bound) && magnitude(logits) < bound && magnitude(d12) < bound &&
                 magnitude(d21) < bound && weights.alpha < 1e6;
  double nll = one.log_sum() - one.target, smooth = one.log_sum() - logits / double(classes);
  if (pair) nll += two.log_sum() - two.target, smooth += two.log_sum();
  losses->row = row_losses(weights, nll, smooth, d12, d21);
  losses->offset = offset, losses->d12 = d12, losses->d21 = d21;
}

/// The coefficients of both gradients, s with the sign it is added with, and the gradients of the target.
RDROP_INLINE void power_gradients(const LossWeights& weights, int64_t classes, const PassSums& one, const PassSums& two,
                                  double unit, const PowerLosses& losses, GradientTerms<double>* terms, double* target1,
                                  double* target2) {
  const double w = weights.pass_weight, smoothing = w * weights.label_smoothing / double(classes);
  const double f = weights.alpha * weights.forward_weight, r = weights.alpha * weights.reverse_weight;
  const double d12 = losses.d12, d21 = losses.d21;
  terms->s = -smoothing;
  terms->a1 = (w + r - f * (d12 - losses.offset)) * one.inverse;
  terms->b1 = f * unit * one.inverse;
  terms->c1 = -r * two.inverse;
  terms->a2 = (w + f - r * (d21 + losses.offset)) * two.inverse;
  terms->b2 = -r * unit * two.inverse;
  terms->c2 = -f * one.inverse;
  const double ratio = (one.target - one.log_sum()) - (two.target - two.log_sum());
  const double wanted = w * (1 - weights.label_smoothing) + smoothing;
  *target1 = one.p * (w + r + f * (ratio - d12)) - r * two.p - wanted;
  *target2 = two.p * (w + f - r * (ratio + d21)) - f * one.p - wanted;
}

}  // namespace rdrop::RDROP_ISA
