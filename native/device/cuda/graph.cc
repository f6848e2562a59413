// See graph.h.
#include "device/cuda/graph.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include <utility>

namespace rdrop {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

/// A destructor cannot report what libtorch throws, and nothing depends on it.
template <typename F>
void quietly(F&& f) noexcept {
  try {
    f();
  } catch (const c10::Error&) {
    cudaGetLastError();
  }
}

class CudaGraph final : public Graph {
 public:
  CudaGraph(CudaContext& context, cudaGraph_t recorded) : context_(context) {
    context_.check_status(cudaGraphInstantiate(&graph_, recorded, 0), "a graph");
  }
  ~CudaGraph() override {
    if (graph_) cudaGraphExecDestroy(graph_);
  }
  CudaGraph(const CudaGraph&) = delete;

  void replay() override {
    context_.run_now("replay of a graph", [&] {
      context_.check_status(cudaGraphLaunch(graph_, context_.stream.stream()), "replay of a graph");
    });
  }

 private:
  CudaContext& context_;
  cudaGraphExec_t graph_ = nullptr;
};

/// Tells the allocator that a capture has begun or ended; libtorch 2.11 does not want to know.
template <class Allocator>
void mark_begin(Allocator* native, c10::DeviceIndex device) {
  if constexpr (requires { native->markCaptureBegin(device); }) native->markCaptureBegin(device);
}
template <class Allocator>
void mark_end(Allocator* native, c10::DeviceIndex device) {
  if constexpr (requires { native->markCaptureEnd(device); }) native->markCaptureEnd(device);
}

/// Work on the device's stream takes its memory from a pool for a scope.
class PoolScope {
 public:
  PoolScope(CudaContext& context, at::cuda::MempoolId_t pool) : context_(context), pool_(pool) {
    allocator::beginAllocateToPool(device(), pool_,
                                   [stream = context.stream.stream()](cudaStream_t other) { return other == stream; });
    context_.in_pool = true;
  }
  ~PoolScope() {
    context_.in_pool = false;
    quietly([&] { allocator::endAllocateToPool(device(), pool_); });
    quietly([&] { allocator::releasePool(device(), pool_); });  // of the two who hold it: the pool itself does
  }
  PoolScope(const PoolScope&) = delete;

 private:
  c10::DeviceIndex device() const { return context_.place().index(); }

  CudaContext& context_;
  const at::cuda::MempoolId_t pool_;
};

/// The stream records for a scope.
class CaptureScope {
 public:
  CaptureScope(CudaContext& context, CudaFork& fork) : context_(context), fork_(fork) {
    // Thread-local: what other threads of the process do with CUDA does not end the capture.
    context_.check_status(cudaStreamBeginCapture(context_.stream.stream(), cudaStreamCaptureModeThreadLocal),
                          "recording of a graph");
    context_.capturing = true;
    context_.plain_next = true;
    mark_begin(allocator::get(), context_.place().index());
  }
  ~CaptureScope() {
    if (!context_.capturing) return;
    if (cudaGraph_t recorded = nullptr; finish(&recorded) == cudaSuccess && recorded) cudaGraphDestroy(recorded);
    cudaGetLastError();
  }
  CaptureScope(const CaptureScope&) = delete;

  /// What was recorded, which the caller destroys.
  cudaGraph_t end() {
    cudaGraph_t recorded = nullptr;
    if (fork_.unjoined()) {
      fork_.abandon();
      fail(ErrorCode::internal, "recording of a graph: it ends with work that was not joined");
    }
    context_.check_status(finish(&recorded), "recording of a graph");
    return recorded;
  }

 private:
  cudaError_t finish(cudaGraph_t* recorded) {
    const cudaError_t status = cudaStreamEndCapture(context_.stream.stream(), recorded);
    context_.capturing = false;
    quietly([&] { mark_end(allocator::get(), context_.place().index()); });
    return status;
  }

  CudaContext& context_;
  CudaFork& fork_;
};

class CudaGraphPool final : public GraphPool {
 public:
  CudaGraphPool(CudaContext& context, CudaFork& fork)
      : context_(context), fork_(fork), pool_(at::cuda::graph_pool_handle()) {
    allocator::createOrIncrefPool(context_.place().index(), pool_);
  }

  ~CudaGraphPool() override {
    quietly([&] {
      const c10::cuda::CUDAStreamGuard guard(context_.stream);
      allocator::releasePool(context_.place().index(), pool_);
      // The pool is dissolved here and not when the next allocation fails, which may be another process'.
      allocator::emptyCache(pool_);
    });
  }

  void run(const std::function<void()>& work) override {
    context_.run_now("work on the device", [&] {
      const PoolScope memory(context_, pool_);
      work();
    });
  }

  std::unique_ptr<Graph> capture(const std::function<void()>& work) override {
    return context_.run_now("recording of a graph", [&]() -> std::unique_ptr<Graph> {
      fork_.join();  // of work that failed half-way: no recording may wait for what it does not hold
      const PoolScope memory(context_, pool_);
      cudaGraph_t recorded = nullptr;
      {
        CaptureScope capture(context_, fork_);
        try {
          work();
        } catch (...) {
          fork_.abandon();
          throw;
        }
        recorded = capture.end();
      }
      const std::unique_ptr<CUgraph_st, decltype(&cudaGraphDestroy)> owner(recorded, cudaGraphDestroy);
      return std::make_unique<CudaGraph>(context_, recorded);
    });
  }

 private:
  CudaContext& context_;
  CudaFork& fork_;
  const at::cuda::MempoolId_t pool_;
};

}  // namespace

std::unique_ptr<GraphPool> CudaGraphs::make_pool() {
  return context_.run_now("memory for graphs", [&] { return std::make_unique<CudaGraphPool>(context_, fork_); });
}

}  // namespace rdrop
