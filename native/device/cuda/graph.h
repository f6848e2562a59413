// Work recorded as a CUDA graph.
#pragma once

#include <ATen/cuda/CUDAGraph.h>

#include <functional>
#include <memory>

#include "device/cuda/context.h"
#include "device/cuda/fork.h"
#include "device/device.h"

namespace rdrop {

/// Records graphs that share one pool of memory. That is safe because they run on one stream: two never run at the same
/// time, and what a graph reads or writes between two replays are tensors that their holders keep.
class CudaGraphs final : public DeviceGraphs {
 public:
  CudaGraphs(CudaContext& context, CudaFork& fork);

  std::unique_ptr<Graph> capture(const std::function<void()>& work) override;

 private:
  CudaContext& context_;
  CudaFork& fork_;
  at::cuda::MempoolId_t pool_;
};

}  // namespace rdrop
