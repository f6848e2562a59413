// Work on a second stream: see Device::beside.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "device/cuda/context.h"

namespace rdrop {

/// Two events tie the second stream to the first. Inside a capture they become the edges of the graph: a stream that
/// waits for an event of a captured one is captured too.
class CudaFork {
 public:
  explicit CudaFork(CudaContext& context);
  ~CudaFork();
  CudaFork(const CudaFork&) = delete;

  void beside(const std::vector<at::Tensor>& uses, const std::function<void()>& work);
  void join();

  /// Keeps memory that was made inside beside() until the join. It belongs to the first stream, as all memory does, so
  /// that one pool serves both.
  void hold(const at::Tensor& tensor) {
    if (context_.beside) held_.push_back(tensor);
  }

  bool unjoined() const { return unjoined_; }
  /// Ends the fork of a capture that has failed: a recording may not end without.
  void abandon() noexcept;

 private:
  CudaContext& context_;
  cudaEvent_t forked_ = nullptr, joined_ = nullptr;
  bool unjoined_ = false;
  std::vector<at::Tensor> held_;
};

}  // namespace rdrop
