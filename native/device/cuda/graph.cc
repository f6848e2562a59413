// Recording and replaying of CUDA graphs.
#include "device/cuda/graph.h"

#include <utility>

namespace rdrop {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

class CudaGraph : public Graph {
 public:
  CudaGraph(CudaContext& context, std::unique_ptr<at::cuda::CUDAGraph> graph)
      : context_(context), graph_(std::move(graph)) {}

  void replay() override {
    context_.run_now("replay of a graph", [&] { graph_->replay(); });
  }

 private:
  CudaContext& context_;
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
};

/// Sets CudaContext::capturing for a scope.
class CapturingScope {
 public:
  explicit CapturingScope(CudaContext& context) : context_(context) { context_.capturing = true; }
  ~CapturingScope() { context_.capturing = false; }
  CapturingScope(const CapturingScope&) = delete;

 private:
  CudaContext& context_;
};

/// Ends the capture of a graph that will not be used, so that the stream runs work again.
void end_quietly(at::cuda::CUDAGraph& graph) noexcept {
  try {
    graph.capture_end();
  } catch (const c10::Error&) {
    // The capture was invalid or had ended before: either way it is over.
  }
}

/// Undoes what a graph that failed may have left behind (this differs between versions of libtorch): a stream that
/// still records, an allocator that still serves from the graphs' memory.
void abandon(CudaContext& context, at::cuda::MempoolId_t pool) noexcept {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  if (cudaStreamIsCapturing(context.stream.stream(), &status) == cudaSuccess && status != cudaStreamCaptureStatusNone) {
    cudaGraph_t recorded = nullptr;
    cudaStreamEndCapture(context.stream.stream(), &recorded);
    if (recorded) cudaGraphDestroy(recorded);
  }
  cudaGetLastError();
  try {
    allocator::endAllocateToPool(static_cast<c10::DeviceIndex>(context.index), pool);
  } catch (const c10::Error&) {
    // It had ended before.
  }
}

}  // namespace

CudaGraphs::CudaGraphs(CudaContext& context, CudaFork& fork)
    : context_(context), fork_(fork), pool_(at::cuda::graph_pool_handle()) {
  // A pool that no graph holds any more would be dissolved, and could not be named again.
  allocator::createOrIncrefPool(static_cast<c10::DeviceIndex>(context.index), pool_);
}

std::unique_ptr<Graph> CudaGraphs::capture(const std::function<void()>& work) {
  return context_.run_now("recording of a graph", [&]() -> std::unique_ptr<Graph> {
    auto graph = std::make_unique<at::cuda::CUDAGraph>();
    {
      const CapturingScope scope(context_);
      // Thread-local: what other threads of the process do with CUDA does not end the capture.
      graph->capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
      try {
        work();
        graph->capture_end();
      } catch (...) {
        end_quietly(*graph);
        fork_.abandon();
        graph.reset();
        abandon(context_, pool_);
        throw;
      }
    }
    return std::make_unique<CudaGraph>(context_, std::move(graph));
  });
}

}  // namespace rdrop
