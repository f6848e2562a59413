// Flash attention on packed sequences by libtorch's own kernels.
#pragma once

#include "device/cuda/context.h"
#include "device/device.h"

namespace rdrop {

class CudaFlashAttention final : public FlashAttention {
 public:
  /// For a chip of this compute capability.
  CudaFlashAttention(CudaContext& context, int compute_major, int compute_minor)
      : context_(context), compute_major_(compute_major), compute_minor_(compute_minor) {}

  /// Where both directions run.
  bool takes(at::ScalarType type, int64_t head_dim) const override;
  FlashSaved forward(const FlashInputs& inputs) override;
  void backward(const FlashInputs& inputs, const FlashSaved& saved, const at::Tensor& out_gradient,
                FlashGradients& gradients) override;

 private:
  CudaContext& context_;
  const int compute_major_, compute_minor_;
};

}  // namespace rdrop
