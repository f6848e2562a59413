// See memory.h.
#include "device/cuda/memory.h"

#include <ATen/ops/empty.h>
#include <c10/cuda/CUDACachingAllocator.h>

namespace rdrop {
namespace {

/// Where an upload to a tensor goes.
void* target(size_t bytes, at::Tensor& to) {
  if (!to.is_contiguous() || bytes > to.nbytes()) {
    fail(ErrorCode::internal, "upload of ", bytes, " bytes to a tensor of ", to.nbytes(),
         to.is_contiguous() ? "" : ", which is not contiguous");
  }
  return to.mutable_data_ptr();
}

}  // namespace

at::Tensor CudaMemory::empty(at::IntArrayRef sizes, at::ScalarType type) {
  return context_.run("memory for a tensor", [&] {
    const c10::cuda::CUDAStreamGuard guard(context_.stream);
    const auto make = [&] { return at::empty(sizes, at::TensorOptions(type).device(context_.place())); };
    at::Tensor tensor;
    try {
      tensor = make();
    } catch (const c10::OutOfMemoryError&) {
      if (context_.in_pool || !shortage_ || !shortage_()) throw;
      tensor = make();
    }
    fork_.hold(tensor);
    return tensor;
  });
}

void CudaMemory::release_cached() {
  context_.run_now("release of memory", [] { c10::cuda::CUDACachingAllocator::emptyCache(); });
}

void CudaMemory::zero(at::Tensor& tensor) {
  context_.run("zeroing of a tensor", [&] {
    tensor.zero_();
    context_.follow_plainly();  // a fill may be no kernel
  });
}

void CudaMemory::copy(const at::Tensor& from, at::Tensor& to) {
  context_.run("copy of a tensor", [&] {
    to.copy_(from, /*non_blocking=*/true);
    context_.follow_plainly();  // nor a copy
  });
}

void CudaMemory::upload(const void* from, size_t bytes, at::Tensor& to) {
  context_.run_now("upload", [&] { upload_.copy(from, bytes, target(bytes, to)); });
}

void CudaMemory::upload(size_t bytes, const std::function<void(void*)>& write, at::Tensor& to) {
  context_.run_now("upload", [&] { upload_.copy(bytes, write, target(bytes, to)); });
}

at::Tensor CudaMemory::download(const at::Tensor& from) {
  // A copy to pageable memory on the current stream returns when it is done.
  return context_.run_now("download", [&] { return from.to(at::kCPU).contiguous(); });
}

}  // namespace rdrop
