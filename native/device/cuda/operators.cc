// The torch operators rdrop::loss and rdrop::cross_entropy for tensors on a GPU, in librdrop_cuda.so: the trainer's
// kernels, on the current stream of the tensors' GPU. As on the CPU they return float64 [4] in the CPU's memory
// (cross_entropy, nll, kl, tokens) and throw for a fault, so they wait for the GPU. N target positions, V classes.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include "device/dispatch.h"
#include "ops/rdrop_loss/rdrop_loss_host.h"

namespace rdrop {
namespace {

/// Throws INVALID_ARGUMENT for types and places that the kernels do not take; shapes were checked before.
void check(const at::Tensor& logits, const at::Tensor& targets) {
  const at::ScalarType type = logits.scalar_type();
  if (type != at::kFloat && type != at::kBFloat16 && type != at::kHalf) {
    fail(ErrorCode::invalid_argument, "logits: expected float32, bfloat16 or float16 on a GPU, got ", type);
  }
  if (targets.device() != logits.device()) {
    fail(ErrorCode::invalid_argument, "targets: expected them beside the logits on ", logits.device(), ", got ",
         targets.device());
  }
}

/// Launches through `launch`, which completes the arguments; returns the first four sums once they are known.
template <typename T, class Launch>
at::Tensor run(const at::Tensor& logits, const at::Tensor& targets, int64_t ignore_index, const LossWeights& weights,
               const Launch& launch) {
  const int64_t positions = targets.size(0);
  const at::Tensor rows = at::empty({positions * int64_t(sizeof(RdropLossRow))}, logits.options().dtype(at::kByte));
  const at::Tensor blocks_done = at::zeros({1}, logits.options().dtype(at::kInt));
  const at::Tensor sums = at::zeros({loss_sums}, logits.options().dtype(at::kDouble));
  RdropLossOnDevice<T> arguments{};
  arguments.logits1 = elements<T>(logits);
  arguments.targets = targets.const_data_ptr<int32_t>();
  arguments.ignore_index = ignore_index;
  arguments.classes = logits.size(1);
  arguments.weights = weights;
  arguments.rows = static_cast<RdropLossRow*>(rows.mutable_data_ptr());
  arguments.blocks_done = static_cast<uint32_t*>(blocks_done.mutable_data_ptr());
  arguments.sums = sums.mutable_data_ptr<double>();
  launch(arguments, positions, c10::cuda::getCurrentCUDAStream().stream());
  const at::Tensor host = sums.cpu();
  check_sums(host.const_data_ptr<double>());
  return host.narrow(0, 0, 4).clone();
}

at::Tensor loss_cuda(const at::Tensor& logits, const at::Tensor& targets, int64_t direction, double alpha,
                     double label_smoothing, int64_t ignore_index, int64_t pass_reduction, at::Tensor& gradient) {
  check(logits, targets);
  const c10::cuda::CUDAGuard guard(logits.device());
  const LossOptions options = loss_options(direction, alpha, label_smoothing, ignore_index, pass_reduction);
  return dispatch_device(logits, [&](auto zero) {
    using T = decltype(zero);
    const auto launch = [&](RdropLossOnDevice<T>& arguments, int64_t positions, void* stream) {
      arguments.logits2 = arguments.logits1 + positions * arguments.classes;
      arguments.gradient1 = mutable_elements<T>(gradient);
      arguments.gradient2 = arguments.gradient1 + positions * arguments.classes;
      rdrop_loss_launchers<T>().loss(arguments, positions, stream);
    };
    return run<T>(logits, targets, ignore_index, loss_weights(options), launch);
  });
}

at::Tensor cross_entropy_cuda(const at::Tensor& logits, const at::Tensor& targets, double label_smoothing,
                              int64_t ignore_index) {
  check(logits, targets);
  const c10::cuda::CUDAGuard guard(logits.device());
  return dispatch_device(logits, [&](auto zero) {
    using T = decltype(zero);
    const auto launch = [](const RdropLossOnDevice<T>& arguments, int64_t positions, void* stream) {
      rdrop_loss_launchers<T>().cross_entropy(arguments, positions, stream);
    };
    return run<T>(logits, targets, ignore_index, {label_smoothing, 1, 0, 0, 0}, launch);
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(rdrop, CUDA, library) {
  library.impl("loss", loss_cuda);
  library.impl("cross_entropy", cross_entropy_cuda);
}

}  // namespace rdrop
