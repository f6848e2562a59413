// Work recorded as a CUDA graph.
#pragma once

#include <functional>
#include <memory>

#include "device/cuda/context.h"
#include "device/cuda/fork.h"
#include "device/device.h"

namespace rdrop {

/// Graphs of our own on the runtime's interface, with pools of libtorch's allocator. Not at::cuda::CUDAGraph: to
/// destroy one clears the cuBLAS workspaces of the process, which other graphs may have been recorded with
/// (github.com/pytorch/pytorch/issues/193402). No product of libtorch may be recorded for the same reason.
class CudaGraphs final : public DeviceGraphs {
 public:
  CudaGraphs(CudaContext& context, CudaFork& fork) : context_(context), fork_(fork) {}

  std::unique_ptr<GraphPool> make_pool() override;

 private:
  CudaContext& context_;
  CudaFork& fork_;
};

}  // namespace rdrop
