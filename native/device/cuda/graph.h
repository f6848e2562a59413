// Work recorded as a CUDA graph.
#pragma once

#include <ATen/cuda/CUDAGraph.h>

#include <functional>
#include <memory>

#include "device/cuda/context.h"
#include "device/device.h"

namespace rdrop {

/// Records graphs that share one pool of memory. That is safe because they run on one stream: two never run at the same
/// time, and what a graph reads or writes between two replays are tensors that their holders keep.
class CudaRecorder {
 public:
  explicit CudaRecorder(CudaContext& context);

  /// As Device::capture().
  std::unique_ptr<Graph> record(const std::function<void()>& work);

 private:
  CudaContext& context_;
  at::cuda::MempoolId_t pool_;
};

}  // namespace rdrop
