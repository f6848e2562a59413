// Tensors on the GPU, from libtorch's allocator.
#pragma once

#include <functional>
#include <utility>

#include "device/cuda/context.h"
#include "device/cuda/fork.h"
#include "device/cuda/upload.h"
#include "device/device.h"

namespace rdrop {

class CudaMemory final : public DeviceMemory {
 public:
  CudaMemory(CudaContext& context, CudaFork& fork) : context_(context), fork_(fork), upload_(context) {}

  at::Tensor empty(at::IntArrayRef sizes, at::ScalarType type) override;
  void zero(at::Tensor& tensor) override;
  void copy(const at::Tensor& from, at::Tensor& to) override;
  void upload(const void* from, size_t bytes, at::Tensor& to) override;
  void upload(size_t bytes, const std::function<void(void*)>& write, at::Tensor& to) override;
  at::Tensor download(const at::Tensor& from) override;
  void release_cached() override;
  void on_shortage(std::function<bool()> release) override { shortage_ = std::move(release); }

 private:
  CudaContext& context_;
  CudaFork& fork_;
  CudaUpload upload_;
  std::function<bool()> shortage_;
};

}  // namespace rdrop
