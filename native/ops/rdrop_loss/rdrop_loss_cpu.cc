// rdrop::loss on the CPU: checks the targets, splits the rows over threads, adds the rows' losses in row
// order.
#include "ops/rdrop_loss/rdrop_loss.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "core/errors.h"
#include "core/dispatch.h"
#include "core/kernels.h"
#include "core/scratch.h"

namespace rdrop {
namespace {

/// Rows of two passes that keep a thread busy longer than it takes to wake it.
constexpr int64_t grain_elements = 1 << 14;

/// A gradient larger than this does not fit a cache, so that writing it there first only costs.
constexpr size_t stream_bytes = size_t{16} << 20;

RdropLossKernels::Rows kernel_of(at::ScalarType type) {
  const RdropLossKernels& table = kernels().rdrop_loss;
  if (type == at::kFloat) return table.float32;
  if (type == at::kDouble) return table.float64;
  if (type == at::kBFloat16) return table.bfloat16;
  fail("INVALID_ARGUMENT", "logits: expected float32, float64 or bfloat16, got ", type);
}

void check_targets(const int32_t* targets, int64_t rows, int64_t classes, int64_t ignore_index) {
  for (int64_t n = 0; n < rows; ++n) {
    if (targets[n] == ignore_index || (targets[n] >= 0 && targets[n] < classes)) continue;
    fail("TOKEN_OUT_OF_RANGE", "targets[", n, "]: expected a class in 0..", classes - 1, " or the ignored ",
         ignore_index, ", got ", targets[n]);
  }
}

/// Tells the fault of position n.
[[noreturn]] void fail_at(int64_t n, int fault, int64_t rows) {
  if (fault == fault_overflow) {
    fail("NON_FINITE", "the losses at position ", n, " overflow: its logits lie too far apart for their type");
  }
  fail("NON_FINITE", "logits of pass ", fault, " at position ", n, " (row ", n + (fault - 1) * rows,
       "): expected finite numbers, got NaN or infinity");
}

/// Runs the kernel over all rows; returns float64 [4]: cross_entropy, nll, kl, tokens.
at::Tensor run(at::ScalarType element, RdropLossArguments arguments, int64_t rows) {
  const RdropLossKernels::Rows kernel = kernel_of(element);
  check_targets(arguments.targets, rows, arguments.classes, arguments.ignore_index);
  std::vector<RdropLossRow> losses(rows);
  arguments.rows = losses.data();
  const int64_t grain = std::max<int64_t>(1, grain_elements / arguments.classes);
  parallel_ranges(0, rows, grain, [&](int64_t begin, int64_t end) {
    RdropLossArguments own = arguments;
    const at::Tensor scratch = temporary({2 * arguments.classes}, element == at::kDouble ? at::kDouble : at::kFloat);
    own.scratch = scratch.mutable_data_ptr();
    kernel(own, begin, end);
  });

  at::Tensor result = at::empty({4}, at::kDouble);
  double* sums = result.mutable_data_ptr<double>();
  std::fill_n(sums, 4, 0.0);
  for (int64_t n = 0; n < rows; ++n) {
    if (losses[n].fault) fail_at(n, losses[n].fault, rows);
    sums[0] += losses[n].cross_entropy;
    sums[1] += losses[n].nll;
    sums[2] += losses[n].kl;
    sums[3] += losses[n].counted;
  }
  return result;
}

at::Tensor loss_cpu(const at::Tensor& logits, const at::Tensor& targets, int64_t direction, double alpha,
                    double label_smoothing, int64_t ignore_index, int64_t pass_reduction, at::Tensor& gradient) {
  const int64_t rows = targets.size(0), classes = logits.size(1);
  const size_t pass_bytes = static_cast<size_t>(rows) * classes * logits.element_size();
  const char* z = static_cast<const char*>(logits.const_data_ptr());
  char* g = static_cast<char*>(gradient.mutable_data_ptr());

  RdropLossArguments arguments{};
  arguments.logits1 = z;
  arguments.logits2 = z + pass_bytes;
  arguments.gradient1 = g;
  arguments.gradient2 = g + pass_bytes;
  arguments.targets = targets.const_data_ptr<int32_t>();
  arguments.ignore_index = ignore_index;
  arguments.classes = classes;
  arguments.weights = loss_weights(loss_options(direction, alpha, label_smoothing, ignore_index, pass_reduction));
  arguments.stream = z != g && 2 * pass_bytes > stream_bytes;
  return run(logits.scalar_type(), arguments, rows);
}

at::Tensor cross_entropy_cpu(const at::Tensor& logits, const at::Tensor& targets, double label_smoothing,
                             int64_t ignore_index) {
  RdropLossArguments arguments{};
  arguments.logits1 = logits.const_data_ptr();
  arguments.targets = targets.const_data_ptr<int32_t>();
  arguments.ignore_index = ignore_index;
  arguments.classes = logits.size(1);
  arguments.weights = {label_smoothing, 1, 0, 0, 0};
  return run(logits.scalar_type(), arguments, targets.size(0));
}

}  // namespace

TORCH_LIBRARY_IMPL(rdrop, CPU, library) {
  library.impl("loss", loss_cpu);
  library.impl("cross_entropy", cross_entropy_cpu);
}

}  // namespace rdrop
