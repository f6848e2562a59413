// The fused loss on a device: tensors to arguments, and its sums back.
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/rdrop_loss/rdrop_loss.h"

namespace rdrop {
namespace {

/// Memory of a launch: what each position adds to the sums, and the counter of blocks.
struct Scratch {
  at::Tensor rows, blocks_done;

  Scratch(Device& device, int64_t positions)
      : rows(device.empty({positions * int64_t(sizeof(RdropLossRow))}, at::kByte)),
        blocks_done(device.empty({1}, at::kInt)) {
    device.zero(blocks_done);
  }
};

/// What both operations share.
template <typename T>
RdropLossOnDevice<T> arguments_of(const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options,
                                  at::Tensor& sums, int64_t first_position, Scratch& scratch) {
  RdropLossOnDevice<T> arguments{};
  arguments.logits1 = elements<T>(logits);
  arguments.targets = targets.const_data_ptr<int32_t>();
  arguments.ignore_index = options.ignore_index;
  arguments.classes = logits.size(1);
  arguments.weights = loss_weights(options);
  arguments.first_position = first_position;
  arguments.rows = static_cast<RdropLossRow*>(scratch.rows.mutable_data_ptr());
  arguments.blocks_done = static_cast<uint32_t*>(scratch.blocks_done.mutable_data_ptr());
  arguments.sums = sums.mutable_data_ptr<double>();
  return arguments;
}

}  // namespace

void rdrop_loss_on(Device& device, const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options,
                   at::Tensor& gradient, at::Tensor& sums, int64_t first_position, const at::Tensor& gradient_scale) {
  const int64_t positions = targets.size(0);
  if (positions == 0) return;
  Scratch scratch(device, positions);
  dispatch_device(logits, [&](auto zero) {
    using T = decltype(zero);
    auto arguments = arguments_of<T>(logits, targets, options, sums, first_position, scratch);
    arguments.logits2 = arguments.logits1 + positions * arguments.classes;
    arguments.gradient1 = mutable_elements<T>(gradient);
    arguments.gradient2 = arguments.gradient1 + positions * arguments.classes;
    if (gradient_scale.defined()) arguments.gradient_scale = gradient_scale.const_data_ptr<float>();
    device.kernels().layers<T>().rdrop_loss.loss(arguments, positions, device.stream());
  });
}

void cross_entropy_on(Device& device, const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options,
                      at::Tensor& sums, int64_t first_position) {
  const int64_t positions = targets.size(0);
  if (positions == 0) return;
  Scratch scratch(device, positions);
  dispatch_device(logits, [&](auto zero) {
    using T = decltype(zero);
    auto arguments = arguments_of<T>(logits, targets, options, sums, first_position, scratch);
    arguments.weights = {options.label_smoothing, 1, 0, 0, 0};
    device.kernels().layers<T>().rdrop_loss.cross_entropy(arguments, positions, device.stream());
  });
}

LossSums read_sums(Device& device, const at::Tensor& sums, const LossOptions& options) {
  const at::Tensor host = device.download(sums);
  const double* s = host.const_data_ptr<double>();
  check_sums(s);
  return {s[sum_cross_entropy] + (options.alpha == 0 ? 0 : options.alpha * s[sum_kl]), s[sum_cross_entropy], s[sum_nll],
          s[sum_kl], static_cast<int64_t>(s[sum_tokens])};
}

}  // namespace rdrop
