// The squared error: the CPU's body and the launch on a device.
#include "ops/squared_error/squared_error.h"

#include <cmath>

#include "core/dispatch.h"
#include "core/errors.h"
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/squared_error/squared_error_kernel.h"

namespace rdrop {
namespace {

double pass_weight_of(const LossOptions& options) {
  return options.passes == 2 && options.pass_reduction == LossOptions::PassReduction::mean ? 0.5 : 1;
}

void check(const at::Tensor& predictions, const at::Tensor& values, const LossOptions& options,
           const at::Tensor& gradient) {
  const int64_t sequences = values.numel();
  if (options.passes != 1 && options.passes != 2) {
    fail(ErrorCode::invalid_argument, "passes: expected 1 or 2, got ", options.passes);
  }
  if (values.scalar_type() != at::kDouble || values.dim() != 1 || !values.is_contiguous()) {
    fail(ErrorCode::invalid_argument, "values: expected a contiguous tensor of float64, got ", values.scalar_type(),
         " ", values.sizes());
  }
  if (predictions.numel() != options.passes * sequences || !predictions.is_contiguous()) {
    fail(ErrorCode::invalid_argument, "predictions: expected ", options.passes, " × ", sequences, " numbers, got ",
         predictions.sizes());
  }
  if (!gradient.defined()) return;
  if (gradient.sizes() != predictions.sizes() || gradient.scalar_type() != predictions.scalar_type() ||
      !gradient.is_contiguous()) {
    fail(ErrorCode::invalid_argument, "gradient: expected a contiguous tensor of the predictions' type and shape, got ",
         gradient.scalar_type(), " ", gradient.sizes());
  }
}

[[noreturn]] void fail_at(int64_t n, LossFault fault) {
  if (fault == fault_overflow) {
    fail(ErrorCode::non_finite, "the squared error at position ", n,
         " overflows: prediction and value lie too far apart");
  }
  fail(ErrorCode::non_finite, "prediction of pass ", int(fault), " at position ", n,
       ": expected a finite number, got NaN or infinity");
}

}  // namespace

LossSums squared_error(const at::Tensor& predictions, const at::Tensor& values, const LossOptions& options,
                       at::Tensor& gradient) {
  check(predictions, values, options, gradient);
  const int64_t sequences = values.numel();
  const double* value = elements<double>(values);
  LossSums sums;
  for (int64_t n = 0; n < sequences; ++n) sums.tokens += !std::isnan(value[n]);
  const bool pair = options.passes == 2;
  const double alpha = !pair ? 0 : options.kl_sum ? options.alpha * double(sums.tokens) : options.alpha;
  dispatch_layers(predictions, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const T* p = elements<T>(predictions);
    T* g = gradient.defined() ? mutable_elements<T>(gradient) : nullptr;
    for (int64_t n = 0; n < sequences; ++n) {
      portable::SquaredErrorRow row{};
      if (!std::isnan(value[n])) {
        row = portable::squared_error_row(double(portable::wide(p[n])),
                                          pair ? double(portable::wide(p[sequences + n])) : 0, value[n], pair,
                                          pass_weight_of(options), alpha);
        if (row.fault != fault_none) fail_at(n, row.fault);
      }
      sums.cross_entropy += row.error;
      sums.kl += row.difference;
      if (!g) continue;
      g[n] = portable::rounded<T>(W(row.gradient1));
      if (pair) g[sequences + n] = portable::rounded<T>(W(row.gradient2));
    }
  });
  sums.nll = sums.cross_entropy;
  sums.loss = sums.cross_entropy + (alpha == 0 ? 0 : alpha * sums.kl);
  return sums;
}

void squared_error_on(Device& device, const at::Tensor& predictions, const at::Tensor& values,
                      const LossOptions& options, at::Tensor& gradient, DeviceLossSums* sums, int64_t first_position,
                      const float* gradient_scale) {
  check(predictions, values, options, gradient);
  const int64_t sequences = values.numel();
  if (sequences == 0) return;
  const bool pair = options.passes == 2;
  dispatch_device(predictions, [&](auto zero) {
    using T = decltype(zero);
    const T* p = elements<T>(predictions);
    T* g = gradient.defined() ? mutable_elements<T>(gradient) : nullptr;
    device.kernels().layers<T>().squared_error.loss(
        {p, pair ? p + sequences : nullptr, g, pair && g ? g + sequences : nullptr, elements<double>(values), sequences,
         pass_weight_of(options), pair ? options.alpha : 0, options.kl_sum, gradient_scale, first_position, sums},
        device.stream());
  });
}

}  // namespace rdrop
