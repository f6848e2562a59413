// Flash attention through libtorch: see flash.h.
#include "device/cuda/flash.h"

#include <ATen/Context.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>

#include <mutex>

namespace rdrop {

/// Held while libtorch's switch below is set. Exported, so that the linker keeps one for the process (STB_GNU_UNIQUE):
/// the engine threads of two copies of the package would else read and restore each other's setting.
__attribute__((visibility("default"))) inline std::mutex deterministic_switch;

namespace {

/// libtorch's switch of deterministic algorithms for a scope. It is the only way to the deterministic backward kernel,
/// and it is set no longer than that because other operations refuse to work under it. Memory is left as it is: with
/// the switch on, libtorch would fill every new tensor with NaN.
class DeterministicScope {
 public:
  DeterministicScope()
      : lock_(deterministic_switch),
        context_(at::globalContext()),
        algorithms_(context_.deterministicAlgorithms()),
        warn_only_(context_.deterministicAlgorithmsWarnOnly()),
        fill_(context_.deterministicFillUninitializedMemory()) {
    context_.setDeterministicAlgorithms(true, /*warn_only=*/false);
    context_.setDeterministicFillUninitializedMemory(false);
  }
  ~DeterministicScope() {
    context_.setDeterministicAlgorithms(algorithms_, warn_only_);
    context_.setDeterministicFillUninitializedMemory(fill_);
  }
  DeterministicScope(const DeterministicScope&) = delete;

 private:
  const std::lock_guard<std::mutex> lock_;
  at::Context& context_;
  const bool algorithms_, warn_only_, fill_;
};

}  // namespace

bool CudaFlashAttention::takes(at::ScalarType type, int64_t head_dim) const {
  if (type != at::kBFloat16 && type != at::kHalf) return false;
  // Chips other than sm_80 and sm_90 have too little shared memory for the backward pass of the widest heads.
  const bool large = compute_minor_ == 0 && (compute_major_ == 8 || compute_major_ == 9);
  return compute_major_ >= 8 && head_dim % 8 == 0 && head_dim <= (large ? 256 : 192);
}

FlashSaved CudaFlashAttention::forward(const FlashInputs& inputs) {
  return context_.run("flash attention", [&]() -> FlashSaved {
    auto [out, log_sum, random_state, unused, mask] = at::_flash_attention_forward(
        inputs.query, inputs.key, inputs.value, inputs.query_starts, inputs.key_starts, inputs.longest_query,
        inputs.longest_key, /*dropout_p=*/0.0, inputs.causal, /*return_debug_mask=*/false);
    context_.follow_plainly();
    return {std::move(out), std::move(log_sum), std::move(random_state), std::move(unused)};
  });
}

void CudaFlashAttention::backward(const FlashInputs& inputs, const FlashSaved& saved, const at::Tensor& out_gradient,
                                  FlashGradients& gradients) {
  context_.run("flash attention, backward", [&] {
    const auto dense = [&] {
      const DeterministicScope scope;
      return at::_flash_attention_backward(out_gradient, inputs.query, inputs.key, inputs.value, saved.out,
                                           saved.log_sum, inputs.query_starts, inputs.key_starts, inputs.longest_query,
                                           inputs.longest_key, /*dropout_p=*/0.0, inputs.causal, saved.random_state,
                                           saved.unused);
    }();
    // The kernel's own tensors are dense; the caller's are slices of one gradient of queries, keys and values.
    gradients.query.copy_(std::get<0>(dense));
    gradients.key.copy_(std::get<1>(dense));
    gradients.value.copy_(std::get<2>(dense));
    context_.follow_plainly();
  });
}

}  // namespace rdrop
