// Matrix products on the GPU, by cuBLASLt with a handle and a workspace of the device's own: no recorded graph depends
// on memory that libtorch may take back.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <map>

#include "device/cuda/context.h"
#include "device/cuda/cublaslt.h"
#include "device/device.h"

namespace rdrop {

class CudaProducts final : public DeviceProducts {
 public:
  /// Multiplies once in each type, so that a library that cannot is reported here and not inside a step.
  explicit CudaProducts(CudaContext& context);

  void multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor& out, const ProductOptions& options) override;

 private:
  /// All that cuBLASLt's choice depends on.
  using Shape = std::array<int64_t, 21>;
  /// What it chose for a shape, kept for good (as the device is): every step has the same kernels.
  struct Plan {
    cublaslt::Operation operation = nullptr;
    cublaslt::Layout a = nullptr, b = nullptr, out = nullptr;
    cublaslt::Algorithm algorithm{};
  };

  const Plan& plan_of(const Shape& shape, const void* bias);
  void choose(Plan& plan, const Shape& shape, const void* bias);
  void check(cublaslt::Status status, const char* what) const;

  CudaContext& context_;
  const cublaslt::Library library_;
  cublaslt::Handle handle_ = nullptr;
  at::Tensor workspace_, second_workspace_;  // bytes; of each stream, on which one product runs at a time
  std::map<Shape, Plan> plans_;
};

}  // namespace rdrop
