// How failures of CUDA become coded errors.
#include "device/cuda/context.h"

namespace rdrop {
namespace {

/// Whether the context works: these say nothing about it.
bool harmless(cudaError_t status) {
  switch (status) {
    case cudaSuccess:
    case cudaErrorNotReady:
    case cudaErrorMemoryAllocation:
    case cudaErrorStreamCaptureUnsupported:
    case cudaErrorStreamCaptureInvalidated:
    case cudaErrorStreamCaptureMerge:
    case cudaErrorStreamCaptureUnmatched:
    case cudaErrorStreamCaptureUnjoined:
    case cudaErrorStreamCaptureIsolation:
    case cudaErrorStreamCaptureImplicit:
    case cudaErrorStreamCaptureWrongThread:
    case cudaErrorCapturedEvent:
      return true;
    default:
      return false;
  }
}

c10::cuda::CUDAStream stream_of(int index) {
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index));
  return c10::cuda::getStreamFromPool(/*isHighPriority=*/false, static_cast<c10::DeviceIndex>(index));
}

}  // namespace

CudaContext::CudaContext(int index) : index(index), stream(stream_of(index)), second(stream_of(index)) {}

void CudaContext::check() const {
  if (broken_.empty()) return;
  fail(ErrorCode::cuda_failed, "CUDA device ", index, " cannot be used any more in this process: an earlier error (",
       broken_, ") has destroyed its state. Next: start the process again; the last checkpoint is intact");
}

void CudaContext::check_status(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  examine();
  const ErrorCode code = status == cudaErrorMemoryAllocation ? ErrorCode::out_of_memory : ErrorCode::cuda_failed;
  fail(code, what, ": ", cudaGetErrorString(status), restart_hint());
}

void CudaContext::examine() noexcept {
  cudaGetLastError();
  // A stream that is being captured cannot be asked; who records examines again when that has ended.
  if (capturing) return;
  // An error that destroyed the context comes back from every later call; any other is gone by now.
  const cudaError_t status = cudaStreamQuery(stream.stream());
  cudaGetLastError();
  if (!harmless(status) && broken_.empty()) broken_ = cudaGetErrorString(status);
}

std::string CudaContext::first_line(const std::string& message) {
  return message.substr(0, message.find('\n'));
}

std::string CudaContext::restart_hint() const {
  return broken_.empty() ? "" : ". The device cannot be used any more in this process. Next: start it again";
}

}  // namespace rdrop
