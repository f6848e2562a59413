// See memory.h.
#include "device/cuda/memory.h"

#include <ATen/ops/empty.h>

namespace rdrop {

at::Tensor CudaMemory::empty(at::IntArrayRef sizes, at::ScalarType type) {
  return context_.run("memory for a tensor", [&] {
    const c10::cuda::CUDAStreamGuard guard(context_.stream);
    at::Tensor tensor = at::empty(sizes, at::TensorOptions(type).device(context_.place()));
    fork_.hold(tensor);
    return tensor;
  });
}

void CudaMemory::zero(at::Tensor& tensor) {
  context_.run("zeroing of a tensor", [&] { tensor.zero_(); });
}

void CudaMemory::copy(const at::Tensor& from, at::Tensor& to) {
  context_.run("copy of a tensor", [&] { to.copy_(from, /*non_blocking=*/true); });
}

void CudaMemory::upload(const void* from, size_t bytes, at::Tensor& to) {
  context_.run_now("upload", [&] {
    if (!to.is_contiguous() || bytes > to.nbytes()) {
      fail(ErrorCode::internal, "upload of ", bytes, " bytes to a tensor of ", to.nbytes(),
           to.is_contiguous() ? "" : ", which is not contiguous");
    }
    upload_.copy(from, bytes, to.mutable_data_ptr());
  });
}

at::Tensor CudaMemory::download(const at::Tensor& from) {
  // A copy to pageable memory on the current stream returns when it is done.
  return context_.run_now("download", [&] { return from.to(at::kCPU).contiguous(); });
}

}  // namespace rdrop
