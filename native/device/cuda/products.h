// Matrix products on the GPU, by libtorch on cuBLAS.
#pragma once

#include "device/cuda/context.h"
#include "device/device.h"

namespace rdrop {

class CudaProducts final : public DeviceProducts {
 public:
  /// cuBLAS makes its handle and takes its workspace at the first product, which must not fall into a recording: the
  /// first are done here. Finds out as well whether this libtorch adds a product of 16-bit matrices to one of float32.
  explicit CudaProducts(CudaContext& context);

  void multiply(const at::Tensor& a, const at::Tensor& b, double beta, at::Tensor& out) override;
  void multiply_with_bias(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, at::Tensor& out) override;
  void allow_tf32(bool allow) override;

 private:
  void add_product(const at::Tensor& a, const at::Tensor& b, double beta, at::Tensor& out);

  CudaContext& context_;
  bool adds_in_place_ = true;
};

}  // namespace rdrop
