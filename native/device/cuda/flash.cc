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

bool cuda_has_flash_attention(int compute_major, int compute_minor, at::ScalarType type, int64_t head_dim) {
  if (type != at::kBFloat16 && type != at::kHalf) return false;
  // Chips other than sm_80 and sm_90 have too little shared memory for the backward pass of the widest heads.
  const bool large = compute_minor == 0 && (compute_major == 8 || compute_major == 9);
  return compute_major >= 8 && head_dim % 8 == 0 && head_dim <= (large ? 256 : 192);
}

FlashSaved cuda_flash_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                                const at::Tensor& query_starts, const at::Tensor& key_starts, int64_t longest_query,
                                int64_t longest_key, bool causal) {
  auto [out, log_sum, random_state, unused, mask] =
      at::_flash_attention_forward(query, key, value, query_starts, key_starts, longest_query, longest_key,
                                   /*dropout_p=*/0.0, causal, /*return_debug_mask=*/false);
  return {std::move(out), std::move(log_sum), std::move(random_state), std::move(unused)};
}

void cuda_flash_attention_backward(const at::Tensor& out_gradient, const at::Tensor& query, const at::Tensor& key,
                                   const at::Tensor& value, const FlashSaved& saved, const at::Tensor& query_starts,
                                   const at::Tensor& key_starts, int64_t longest_query, int64_t longest_key,
                                   bool causal, at::Tensor& query_gradient, at::Tensor& key_gradient,
                                   at::Tensor& value_gradient) {
  const auto gradients = [&] {
    const DeterministicScope scope;
    return at::_flash_attention_backward(out_gradient, query, key, value, saved.out, saved.log_sum, query_starts,
                                         key_starts, longest_query, longest_key, /*dropout_p=*/0.0, causal,
                                         saved.random_state, saved.unused);
  }();
  // The kernel's own tensors are dense; the caller's are slices of one gradient of queries, keys and values.
  query_gradient.copy_(std::get<0>(gradients));
  key_gradient.copy_(std::get<1>(gradients));
  value_gradient.copy_(std::get<2>(gradients));
}

}  // namespace rdrop
