// The torch operators rdrop::loss and rdrop::cross_entropy, whose body the device picks, and their C++ front.
#include "ops/rdrop_loss/rdrop_loss.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "core/errors.h"

namespace rdrop {

// Both return float64 [4] on the CPU: cross_entropy, nll, kl, tokens.
TORCH_LIBRARY(rdrop, library) {
  library.def(
      "loss(Tensor logits, Tensor targets, int direction, float alpha, float label_smoothing, int "
      "ignore_index, "
      "int pass_reduction, Tensor(a!) gradient) -> Tensor");
  library.def("cross_entropy(Tensor logits, Tensor targets, float label_smoothing, int ignore_index) -> Tensor");
}

namespace {

LossSums read_sums(const at::Tensor& sums, double alpha) {
  const double* s = sums.const_data_ptr<double>();
  return {s[0] + (alpha == 0 ? 0 : alpha * s[2]), s[0], s[1], s[2], static_cast<int64_t>(s[3])};
}

void check(const at::Tensor& logits, const at::Tensor& targets, int64_t passes) {
  if (logits.dim() != 2 || !logits.is_contiguous() || logits.size(0) % passes != 0 || logits.size(1) < 1) {
    fail("INVALID_ARGUMENT", "logits: expected a contiguous tensor [", passes == 2 ? "2N" : "N",
         ",V] with V >= 1, got ", logits.sizes());
  }
  if (targets.dim() != 1 || targets.scalar_type() != at::kInt || !targets.is_contiguous() ||
      targets.size(0) * passes != logits.size(0)) {
    fail("INVALID_ARGUMENT", "targets: expected a contiguous int32 tensor [", logits.size(0) / passes, "], got ",
         targets.scalar_type(), " ", targets.sizes());
  }
}

}  // namespace

LossSums rdrop_loss(const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options,
                    at::Tensor& gradient) {
  check(logits, targets, 2);
  if (gradient.scalar_type() != logits.scalar_type() || gradient.sizes() != logits.sizes() ||
      !gradient.is_contiguous() || gradient.device() != logits.device()) {
    fail("INVALID_ARGUMENT", "gradient: expected a contiguous tensor of the logits' type, shape and device (",
         logits.scalar_type(), " ", logits.sizes(), "), got ", gradient.scalar_type(), " ", gradient.sizes());
  }
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("rdrop::loss", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&, int64_t, double, double, int64_t,
                                               int64_t, at::Tensor&)>();
  at::Tensor sums =
      op.call(logits, targets, static_cast<int64_t>(options.direction), options.alpha, options.label_smoothing,
              options.ignore_index, static_cast<int64_t>(options.pass_reduction), gradient);
  return read_sums(sums, options.alpha);
}

LossSums cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options) {
  check(logits, targets, 1);
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("rdrop::cross_entropy", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&, double, int64_t)>();
  return read_sums(op.call(logits, targets, options.label_smoothing, options.ignore_index), 0);
}

}  // namespace rdrop
