// Memory of devices and pinned memory of the host, as calls of the runtime.
#include <cstdlib>
#include <cstring>

#include "test/cuda_mock/memory.h"
#include "test/cuda_mock/state.h"

namespace cuda_mock {
namespace {

cudaError_t allocate_pinned(void** pointer, size_t bytes) {
  const Lock lock(mutex());
  *pointer = nullptr;
  if (const auto failed = begin(Call::pinned)) return failed;
  if (const auto forbidden = forbid_while_recording("allocation of pinned memory")) return forbidden;
  constexpr size_t kPage = 4096;
  *pointer = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  if (!*pointer) return answer(cudaErrorMemoryAllocation);
  memory().add_pinned(*pointer, bytes);
  return cudaSuccess;
}

}  // namespace

MOCK_API cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  const Lock lock(mutex());
  *pointer = nullptr;
  if (const auto failed = begin(Call::allocation)) return failed;
  if (const auto forbidden = forbid_while_recording("cudaMalloc")) return forbidden;
  *pointer = memory().allocate(bytes, current_device());
  return *pointer || bytes == 0 ? cudaSuccess : answer(cudaErrorMemoryAllocation);
}

/// Waits for the device, as the real one.
MOCK_API cudaError_t cudaFree(void* pointer) {
  const Lock lock(mutex());
  if (!pointer) return cudaSuccess;
  if (const auto forbidden = forbid_while_recording("cudaFree")) return forbidden;
  if (memory().place_of(pointer) == Place::device) queue().run_all(memory().device_of(pointer));
  if (memory().free(pointer)) return cudaSuccess;
  violation("cudaFree of %p, which is not allocated", pointer);
  return answer(cudaErrorInvalidValue);
}

MOCK_API cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  return allocate_pinned(pointer, bytes);
}

MOCK_API cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  return allocate_pinned(pointer, bytes);
}

MOCK_API cudaError_t cudaFreeHost(void* pointer) {
  const Lock lock(mutex());
  if (!pointer) return cudaSuccess;
  if (const auto forbidden = forbid_while_recording("cudaFreeHost")) return forbidden;
  queue().run_all(current_device());
  if (!memory().remove_pinned(pointer)) {
    violation("cudaFreeHost of %p, which is not pinned", pointer);
    return answer(cudaErrorInvalidValue);
  }
  std::free(pointer);
  return cudaSuccess;
}

MOCK_API cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::pinned)) return failed;
  memory().add_pinned(pointer, bytes);
  return cudaSuccess;
}

MOCK_API cudaError_t cudaHostUnregister(void* pointer) {
  const Lock lock(mutex());
  queue().run_all(current_device());
  return memory().remove_pinned(pointer) ? cudaSuccess : answer(cudaErrorHostMemoryNotRegistered);
}

MOCK_API cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
  *device = host;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const Lock lock(mutex());
  settings();
  *total = memory().limit;
  const size_t used = memory().in_use(current_device());
  *free = used < *total ? *total - used : 0;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  const Lock lock(mutex());
  std::memset(attributes, 0, sizeof(*attributes));
  switch (memory().place_of(pointer)) {
    case Place::device:
      attributes->type = cudaMemoryTypeDevice;
      attributes->device = memory().device_of(pointer);
      break;
    case Place::pinned:
      attributes->type = cudaMemoryTypeHost;
      attributes->hostPointer = const_cast<void*>(pointer);
      break;
    case Place::pageable:
      attributes->type = cudaMemoryTypeUnregistered;
      return cudaSuccess;
  }
  attributes->devicePointer = const_cast<void*>(pointer);
  return cudaSuccess;
}

}  // namespace cuda_mock
