// See fork.h.
#include "device/cuda/fork.h"

#include <utility>

namespace rdrop {
namespace {

/// Sets CudaContext::beside for a scope.
class BesideScope {
 public:
  explicit BesideScope(CudaContext& context) : context_(context), outer_(std::exchange(context.beside, true)) {}
  ~BesideScope() { context_.beside = outer_; }
  BesideScope(const BesideScope&) = delete;

 private:
  CudaContext& context_;
  bool outer_;
};

}  // namespace

CudaFork::CudaFork(CudaContext& context) : context_(context) {
  context_.check_status(cudaEventCreateWithFlags(&forked_, cudaEventDisableTiming), "an event");
  context_.check_status(cudaEventCreateWithFlags(&joined_, cudaEventDisableTiming), "an event");
}

CudaFork::~CudaFork() {
  if (forked_) cudaEventDestroy(forked_);
  if (joined_) cudaEventDestroy(joined_);
}

void CudaFork::beside(const std::vector<at::Tensor>& uses, const std::function<void()>& work) {
  context_.run("work beside the stream", [&] {
    held_.insert(held_.end(), uses.begin(), uses.end());
    if (!context_.beside) {
      context_.check_status(cudaEventRecord(forked_, context_.stream.stream()), "fork of a stream");
      context_.check_status(cudaStreamWaitEvent(context_.second.stream(), forked_, 0), "fork of a stream");
      unjoined_ = true;
      context_.plain_next_beside = true;
    }
    const BesideScope scope(context_);
    work();
  });
}

void CudaFork::join() {
  if (!unjoined_) return;
  context_.run("join of a stream", [&] {
    context_.check_status(cudaEventRecord(joined_, context_.second.stream()), "join of a stream");
    context_.check_status(cudaStreamWaitEvent(context_.stream.stream(), joined_, 0), "join of a stream");
    unjoined_ = false;
    context_.plain_next = true;
    // Whoever gets this memory next uses it on the first stream, and so after the join.
    held_.clear();
  });
}

void CudaFork::abandon() noexcept {
  if (unjoined_) {
    cudaEventRecord(joined_, context_.second.stream());
    cudaStreamWaitEvent(context_.stream.stream(), joined_, 0);
    cudaGetLastError();
  }
  unjoined_ = false;
  held_.clear();
}

}  // namespace rdrop
