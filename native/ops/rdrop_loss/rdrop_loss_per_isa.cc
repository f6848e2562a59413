// The scalar body of the fused loss: the formulas of the R-Drop paper (eqs. 2-5) as they are written there
// (rdrop_loss_terms.h), in double. It judges the vectorized body (rdrop_loss_vector.h) and the device's kernel, and
// computes the rows that overflow in the former.
#include "ops/rdrop_loss/rdrop_loss_kernel.h"

#include "core/element.h"
#include "core/kernels.h"
#include "ops/rdrop_loss/rdrop_loss_terms.h"

namespace rdrop::RDROP_ISA {
namespace {

template <class Element>
double to_double(Element x) {
  return double(wide(x));
}

template <class Element>
void assign(Element& to, double x) {
  to = rounded<Element>(Wide<Element>(x));
}

/// log(sum(exp(z))) over V classes and sum(z); false when a logit is NaN or infinite.
template <class Element>
bool normalize(const Element* z, int64_t classes, double* log_sum_exp, double* sum) {
  double largest = -__builtin_inf(), total = 0;
  for (int64_t v = 0; v < classes; ++v) {
    double x = to_double(z[v]);
    if (!__builtin_isfinite(x)) return false;
    if (x > largest) largest = x;
    total += x;
  }
  double scale = 0;
  for (int64_t v = 0; v < classes; ++v) scale += __builtin_exp(to_double(z[v]) - largest);
  *log_sum_exp = largest + __builtin_log(scale);
  *sum = total;
  return true;
}

template <class Element>
void rdrop_loss_scalar_row(const RdropLossArguments& a, int64_t n) {
  const int64_t classes = a.classes, y = a.targets[n];
  const Element* z1 = static_cast<const Element*>(a.logits1) + n * classes;
  const Element* z2 = a.logits2 ? static_cast<const Element*>(a.logits2) + n * classes : nullptr;
  Element* g1 = a.gradient1 ? static_cast<Element*>(a.gradient1) + n * classes : nullptr;
  Element* g2 = a.gradient2 ? static_cast<Element*>(a.gradient2) + n * classes : nullptr;
  RdropLossRow& row = a.rows[n];
  row = {};

  if (y == a.ignore_index) {
    for (int64_t v = 0; g1 && v < classes; ++v) {
      assign(g1[v], 0);
      if (g2) assign(g2[v], 0);
    }
    return;
  }

  PairLogs logs{};
  double sum1, sum2 = 0;
  if (!normalize(z1, classes, &logs.log_sum1, &sum1)) {
    row.fault = fault_pass1;
    return;
  }
  if (z2 && !normalize(z2, classes, &logs.log_sum2, &sum2)) {
    row.fault = fault_pass2;
    return;
  }
  for (int64_t v = 0; z2 && v < classes; ++v) {
    const double l1 = to_double(z1[v]) - logs.log_sum1, l2 = to_double(z2[v]) - logs.log_sum2;
    logs.d12 += divergence_term(__builtin_exp(l1), l1, l2);
    logs.d21 += divergence_term(__builtin_exp(l2), l2, l1);
  }

  double nll = logs.log_sum1 - to_double(z1[y]), smooth = logs.log_sum1 - sum1 / double(classes);
  if (z2) nll += logs.log_sum2 - to_double(z2[y]), smooth += logs.log_sum2 - sum2 / double(classes);
  const LossWeights weights = weights_at(a.weights, y);
  row = row_losses(weights, nll, smooth, logs.d12, logs.d21);
  if (row.fault) return;

  for (int64_t v = 0; g1 && v < classes; ++v) {
    double gradient1, gradient2;
    log_softmax_gradients(weights, logs, classes, v == y, to_double(z1[v]), z2 ? to_double(z2[v]) : 0, &gradient1,
                          &gradient2);
    assign(g1[v], gradient1);
    if (g2) assign(g2[v], gradient2);
  }
}

template <class Element>
void rdrop_loss_scalar(const RdropLossArguments& a, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) rdrop_loss_scalar_row<Element>(a, n);
}

}  // namespace
}  // namespace rdrop::RDROP_ISA

#ifndef RDROP_ISA_scalar
#include "ops/rdrop_loss/rdrop_loss_vector.h"
#endif

namespace rdrop::RDROP_ISA {
namespace {

#ifdef RDROP_ISA_scalar
#define RDROP_LOSS_BODY rdrop_loss_scalar
#else
#define RDROP_LOSS_BODY rdrop_loss_vector
#endif

}  // namespace

template <>
const RdropLossKernels& kernels() {
  static constexpr RdropLossKernels table = {RDROP_LOSS_BODY<float>, RDROP_LOSS_BODY<double>,
                                             RDROP_LOSS_BODY<Bfloat16>};
  return table;
}

}  // namespace rdrop::RDROP_ISA
