// The fused loss on the host: the CPU's body, which checks its tensors, splits the rows over threads and adds their
// losses in row order; the launches on a device and their sums.
#include "ops/rdrop_loss/rdrop_loss.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/dispatch.h"
#include "core/errors.h"
#include "core/kernels.h"
#include "core/scratch.h"
#include "core/tensor_elements.h"
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/rdrop_loss/rdrop_loss_kernel.h"

namespace rdrop {
namespace {

LossSums loss_sums_of(double cross_entropy, double nll, double kl, double weighted_kl, double tokens, double alpha) {
  return {cross_entropy + (alpha == 0 ? 0 : alpha * weighted_kl), cross_entropy, nll, kl, static_cast<int64_t>(tokens)};
}

/// The options as the kernels take them.
LossWeights loss_weights(const LossOptions& options) {
  using Direction = LossOptions::Direction;
  const auto weight = [&](Direction one) {
    return options.direction == one ? 1.0 : options.direction == Direction::bi ? 0.5 : 0.0;
  };
  const double* class_weights = options.class_weights.defined() ? elements<double>(options.class_weights) : nullptr;
  if (options.passes == 1) return {options.label_smoothing, 1, 0, 0, 0, class_weights};
  return {options.label_smoothing,
          options.pass_reduction == LossOptions::PassReduction::mean ? 0.5 : 1.0,
          options.alpha,
          weight(Direction::uni),
          weight(Direction::uni_reverse),
          class_weights};
}

/// Those of one pass, whatever the passes of the training are.
LossWeights one_pass_weights(const LossOptions& options) {
  LossOptions alone = options;
  alone.passes = 1;
  return loss_weights(alone);
}

void check_class_weights(const LossOptions& options, int64_t classes) {
  const at::Tensor& weights = options.class_weights;
  if (!weights.defined()) return;
  if (weights.dim() == 1 && weights.scalar_type() == at::kDouble && weights.size(0) == classes) return;
  fail(ErrorCode::invalid_argument, "classWeights: expected a number for each of ", classes, " classes, got ",
       weights.numel());
}

// The CPU.

void check(const at::Tensor& logits, const at::Tensor& targets, int64_t passes) {
  if (!logits.is_cpu() || logits.dim() != 2 || !logits.is_contiguous() || logits.size(0) % passes != 0 ||
      logits.size(1) < 1) {
    fail(ErrorCode::invalid_argument, "logits: expected a contiguous tensor [", passes == 2 ? "2N" : "N",
         ",V] on the CPU with V >= 1, got ", logits.sizes(), " on ", logits.device());
  }
  if (!targets.is_cpu() || targets.dim() != 1 || targets.scalar_type() != at::kInt || !targets.is_contiguous() ||
      targets.size(0) * passes != logits.size(0)) {
    fail(ErrorCode::invalid_argument, "targets: expected a contiguous int32 tensor [", logits.size(0) / passes,
         "] on the CPU, got ", targets.scalar_type(), " ", targets.sizes(), " on ", targets.device());
  }
}

/// Rows of two passes that keep a thread busy longer than it takes to wake it.
constexpr int64_t grain_elements = 1 << 14;

/// A gradient larger than this does not fit a cache, so that writing it there first only costs.
constexpr size_t stream_bytes = size_t{16} << 20;

RdropLossKernels::Rows kernel_of(at::ScalarType type) {
  const RdropLossKernels& table = kernels<RdropLossKernels>();
  if (type == at::kFloat) return table.float32;
  if (type == at::kDouble) return table.float64;
  if (type == at::kBFloat16) return table.bfloat16;
  fail(ErrorCode::invalid_argument, "logits: expected float32, float64 or bfloat16, got ", type);
}

void check_targets(const int32_t* targets, int64_t rows, int64_t classes, int64_t ignore_index) {
  for (int64_t n = 0; n < rows; ++n) {
    if (targets[n] == ignore_index || (targets[n] >= 0 && targets[n] < classes)) continue;
    fail(ErrorCode::token_out_of_range, "targets[", n, "]: expected a class in 0..", classes - 1, " or the ignored ",
         ignore_index, ", got ", targets[n]);
  }
}

/// Reports the fault of position n. rows: of a pass, where the caller knows its logits by row.
[[noreturn]] void fail_at(int64_t n, int fault, int64_t rows = 0) {
  if (fault == fault_overflow) {
    fail(ErrorCode::non_finite, "the losses at position ", n, " overflow: its logits lie too far apart for their type");
  }
  fail(ErrorCode::non_finite, "logits of pass ", fault, " at position ", n,
       rows > 0 ? " (row " + std::to_string(n + (fault - 1) * rows) + ")" : "",
       ": expected finite numbers, got NaN or infinity");
}

/// Runs the kernel over all rows and adds up their losses.
LossSums run(at::ScalarType element, RdropLossArguments arguments, int64_t rows, double alpha) {
  const RdropLossKernels::Rows kernel = kernel_of(element);
  check_targets(arguments.targets, rows, arguments.classes, arguments.ignore_index);
  std::vector<RdropLossRow> losses(rows);
  arguments.rows = losses.data();
  const int64_t grain = std::max<int64_t>(1, grain_elements / arguments.classes);
  parallel_ranges(0, rows, grain, [&](int64_t begin, int64_t end) {
    RdropLossArguments own = arguments;
    const at::Tensor scratch =
        rdrop::scratch({2 * arguments.classes}, element == at::kDouble ? at::kDouble : at::kFloat);
    own.scratch = scratch.mutable_data_ptr();
    kernel(own, begin, end);
  });

  double cross_entropy = 0, nll = 0, kl = 0, tokens = 0;
  for (int64_t n = 0; n < rows; ++n) {
    if (losses[n].fault) fail_at(n, losses[n].fault, rows);
    cross_entropy += losses[n].cross_entropy;
    nll += losses[n].nll;
    kl += losses[n].kl;
    tokens += losses[n].counted;
  }
  return loss_sums_of(cross_entropy, nll, kl, kl, tokens, alpha);
}

}  // namespace

LossSums rdrop_loss(const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options,
                    at::Tensor& gradient) {
  if (options.passes != 1 && options.passes != 2) {
    fail(ErrorCode::invalid_argument, "passes: expected 1 or 2, got ", options.passes);
  }
  check(logits, targets, options.passes);
  check_class_weights(options, logits.size(1));
  if (gradient.scalar_type() != logits.scalar_type() || gradient.sizes() != logits.sizes() ||
      !gradient.is_contiguous() || !gradient.is_cpu()) {
    fail(ErrorCode::invalid_argument, "gradient: expected a contiguous tensor of the logits' type, shape and device (",
         logits.scalar_type(), " ", logits.sizes(), "), got ", gradient.scalar_type(), " ", gradient.sizes());
  }
  const int64_t rows = targets.size(0), classes = logits.size(1);
  const size_t pass_bytes = static_cast<size_t>(rows) * classes * logits.element_size();
  const char* z = static_cast<const char*>(logits.const_data_ptr());
  char* g = static_cast<char*>(gradient.mutable_data_ptr());

  RdropLossArguments arguments{};
  arguments.logits1 = z;
  arguments.gradient1 = g;
  if (options.passes == 2) {
    arguments.logits2 = z + pass_bytes;
    arguments.gradient2 = g + pass_bytes;
  }
  arguments.targets = targets.const_data_ptr<int32_t>();
  arguments.ignore_index = options.ignore_index;
  arguments.classes = classes;
  const LossOptions of_batch = options_of_batch(options, targets);
  arguments.weights = loss_weights(of_batch);
  arguments.stream = z != g && static_cast<size_t>(options.passes) * pass_bytes > stream_bytes;
  return run(logits.scalar_type(), arguments, rows, of_batch.passes == 1 ? 0 : of_batch.alpha);
}

LossOptions options_of_batch(const LossOptions& options, const at::Tensor& targets) {
  LossOptions own = options;
  own.kl_sum = false;
  if (!options.kl_sum || options.passes == 1) return own;
  const int32_t* target = targets.const_data_ptr<int32_t>();
  own.alpha *= double(targets.size(0) - std::count(target, target + targets.size(0), options.ignore_index));
  return own;
}

LossSums cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options) {
  check(logits, targets, 1);
  check_class_weights(options, logits.size(1));
  RdropLossArguments arguments{};
  arguments.logits1 = logits.const_data_ptr();
  arguments.targets = targets.const_data_ptr<int32_t>();
  arguments.ignore_index = options.ignore_index;
  arguments.classes = logits.size(1);
  arguments.weights = one_pass_weights(options);
  return run(logits.scalar_type(), arguments, targets.size(0), 0);
}

// A device.

namespace {

/// Memory of a launch: what each position adds to the sums.
at::Tensor rows_of(Device& device, int64_t positions) {
  return device.memory().empty({positions * int64_t(sizeof(RdropLossRow))}, at::kByte);
}

/// What both operations share.
template <typename T>
RdropLossOnDevice<T> arguments_of(const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options,
                                  DeviceLossSums* sums, int64_t first_position, at::Tensor& rows) {
  RdropLossOnDevice<T> arguments{};
  arguments.logits1 = elements<T>(logits);
  arguments.targets = targets.const_data_ptr<int32_t>();
  arguments.ignore_index = options.ignore_index;
  arguments.classes = logits.size(1);
  arguments.weights = loss_weights(options);
  arguments.first_position = first_position;
  arguments.rows = static_cast<RdropLossRow*>(rows.mutable_data_ptr());
  arguments.blocks_done = &sums->blocks_done;
  arguments.sums = sums;
  return arguments;
}

}  // namespace

LossOptions options_on(Device& device, const LossOptions& options) {
  LossOptions own = options;
  if (!options.class_weights.defined()) return own;
  own.class_weights = device.memory().empty(options.class_weights.sizes(), at::kDouble);
  device.memory().upload(options.class_weights.const_data_ptr(), options.class_weights.nbytes(), own.class_weights);
  return own;
}

void rdrop_loss_on(Device& device, const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options,
                   at::Tensor& gradient, DeviceLossSums* sums, int64_t first_position, const float* gradient_scale) {
  const int64_t positions = targets.size(0);
  if (positions == 0) return;
  check_class_weights(options, logits.size(1));
  at::Tensor rows = rows_of(device, positions);
  dispatch_device(logits, [&](auto zero) {
    using T = decltype(zero);
    auto arguments = arguments_of<T>(logits, targets, options, sums, first_position, rows);
    const auto& kernels = device.kernels().layers<T>().rdrop_loss;
    arguments.gradient1 = mutable_elements<T>(gradient);
    arguments.gradient_scale = gradient_scale;
    if (options.passes == 1) return kernels.cross_entropy(arguments, positions, device.stream());
    arguments.logits2 = arguments.logits1 + positions * arguments.classes;
    arguments.gradient2 = arguments.gradient1 + positions * arguments.classes;
    if (options.kl_sum) arguments.alpha_factor = &sums->positions;
    kernels.loss(arguments, positions, device.stream());
  });
}

void count_positions_on(Device& device, const at::Tensor& targets, const LossOptions& options, DeviceLossSums* sums) {
  if (!options.kl_sum || options.passes == 1) return;
  device.kernels().layers<float>().rdrop_loss.count(elements<int32_t>(targets), targets.size(0), options.ignore_index,
                                                    &sums->positions, device.stream());
}

void cross_entropy_on(Device& device, const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options,
                      DeviceLossSums* sums, int64_t first_position) {
  const int64_t positions = targets.size(0);
  if (positions == 0) return;
  check_class_weights(options, logits.size(1));
  at::Tensor rows = rows_of(device, positions);
  dispatch_device(logits, [&](auto zero) {
    using T = decltype(zero);
    auto arguments = arguments_of<T>(logits, targets, options, sums, first_position, rows);
    arguments.weights = one_pass_weights(options);
    device.kernels().layers<T>().rdrop_loss.cross_entropy(arguments, positions, device.stream());
  });
}

LossSums checked_sums(const DeviceLossSums& sums, const LossOptions& options) {
  const PositionFault& first = sums.first;
  if (first.kind == fault_target) {
    fail(ErrorCode::token_out_of_range, "targets[", first.position,
         "]: expected a class of the logits or the ignored index");
  }
  if (first.kind != fault_none) fail_at(first.position, first.kind);
  return loss_sums_of(sums.cross_entropy, sums.nll, sums.kl, sums.weighted_kl, sums.tokens, options.alpha);
}

}  // namespace rdrop
