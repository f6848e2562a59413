// Devices and what they are.
#include <cstdio>
#include <cstring>

#include "test/cuda_mock/chip.h"
#include "test/cuda_mock/memory.h"
#include "test/cuda_mock/state.h"

namespace cuda_mock {

const Chip& mock_chip() {
  static const Chip chip = [] {
    const int sm = settings().sm;
    if (sm >= 90) return Chip{sm / 10, sm % 10, 132, 227 * 1024, 228 * 1024, 2048};
    if (sm == 80) return Chip{8, 0, 108, 163 * 1024, 164 * 1024, 2048};
    return Chip{8, sm % 10, 82, 99 * 1024, 100 * 1024, 1536};
  }();
  return chip;
}

MOCK_API cudaError_t cudaGetDeviceCount(int* count) {
  *count = settings().devices;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaGetDevice(int* device) {
  *device = current_device();
  return cudaSuccess;
}

MOCK_API cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= settings().devices) return answer(cudaErrorInvalidDevice);
  current_device() = device;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  const Chip& chip = mock_chip();
  if (device < 0 || device >= settings().devices) return answer(cudaErrorInvalidDevice);
  std::memset(p, 0, sizeof(*p));
  std::snprintf(p->name, sizeof(p->name), "%s", kDeviceName);
  p->major = chip.major;
  p->minor = chip.minor;
  p->totalGlobalMem = memory().limit;
  p->multiProcessorCount = chip.multiprocessors;
  p->warpSize = 32;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsPerMultiProcessor = chip.multiprocessor_threads;
  p->sharedMemPerBlock = 48 * 1024;
  p->sharedMemPerBlockOptin = size_t(chip.most_shared_bytes);
  p->sharedMemPerMultiprocessor = size_t(chip.multiprocessor_shared_bytes);
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->maxGridSize[0] = 0x7fffffff;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = 64;
  p->l2CacheSize = 50 << 20;
  p->concurrentKernels = p->unifiedAddressing = 1;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (const auto failed = cudaGetDeviceProperties(&p, device)) return failed;
  switch (attribute) {
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = int(p.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = int(p.sharedMemPerBlock);
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = int(p.sharedMemPerMultiprocessor);
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = p.minor;
      break;
    case cudaDevAttrWarpSize:
      *value = p.warpSize;
      break;
    case cudaDevAttrMaxThreadsPerBlock:
      *value = p.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = p.maxThreadsPerMultiProcessor;
      break;
    case cudaDevAttrL2CacheSize:
      *value = p.l2CacheSize;
      break;
    default:
      *value = 0;
  }
  return cudaSuccess;
}

MOCK_API cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  *can = device != peer;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) {
  return cudaSuccess;
}

MOCK_API cudaError_t cudaDeviceGetPCIBusId(char* text, int bytes, int device) {
  std::snprintf(text, size_t(bytes), "0000:%02x:00.0", device);
  return cudaSuccess;
}

MOCK_API cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

MOCK_API const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorLaunchOutOfResources:
      return "too many resources requested for launch";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    default:
      static thread_local char text[40];
      std::snprintf(text, sizeof(text), "mock error %d", int(error));
      return text;
  }
}

MOCK_API const char* cudaGetErrorName(cudaError_t error) {
  return cudaGetErrorString(error);
}

MOCK_API cudaError_t cudaGetDriverEntryPointByVersion(const char*, void** function, unsigned, unsigned long long,
                                                      cudaDriverEntryPointQueryResult* result) {
  *function = nullptr;
  if (result) *result = cudaDriverEntryPointSymbolNotFound;
  return cudaErrorSymbolNotFound;
}

// The driver's own interface (libcuda), as far as native/device/driver.cc asks.

MOCK_API int cuInit(unsigned) {
  return 0;
}

MOCK_API int cuDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return 0;
}

/// Some context: cuBLAS wants one.
MOCK_API int cuCtxGetCurrent(void** context) {
  static int some;
  *context = &some;
  return 0;
}

MOCK_API int cuDeviceGetCount(int* count) {
  *count = settings().devices;
  return 0;
}

MOCK_API int cuDeviceGet(int* device, int index) {
  *device = index;
  return index >= 0 && index < settings().devices ? 0 : 101;
}

MOCK_API int cuDeviceGetName(char* name, int bytes, int) {
  std::snprintf(name, size_t(bytes), "%s", kDeviceName);
  return 0;
}

/// The numbers of the driver's attributes are those of the runtime's.
MOCK_API int cuDeviceGetAttribute(int* value, int attribute, int device) {
  return int(cudaDeviceGetAttribute(value, cudaDeviceAttr(attribute), device));
}

MOCK_API int cuDeviceTotalMem_v2(size_t* bytes, int) {
  settings();
  *bytes = memory().limit;
  return 0;
}

MOCK_API int cuDevicePrimaryCtxGetState(int, unsigned* flags, int* active) {
  *flags = 0;
  *active = 1;
  return 0;
}

}  // namespace cuda_mock
