// Opening of CUDA on demand: see open_cuda.h.
#include "device/open_cuda.h"

#include <dlfcn.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "errors.h"

namespace rdrop {
namespace {

// Never destroyed: the engine thread may outlive static objects.
std::mutex& mutex = *std::make_unique<std::mutex>().release();
CudaLibraries& libraries = *std::make_unique<CudaLibraries>().release();
bool opened = false;

const char* const needed = "CUDA needs an NVIDIA GPU of compute capability 8.0 or higher and its driver";

std::string describe(const DriverDevice& device) {
  return device.name + " (compute capability " + std::to_string(device.compute_major) + "." +
         std::to_string(device.compute_minor) + ")";
}

std::string reason_of(const CudaLibraries& libraries) {
  const Driver& found = driver();
  if (!found.reason.empty()) return found.reason + "; " + needed;
  if (std::none_of(found.devices.begin(), found.devices.end(), [](const auto& d) { return d.compute_major >= 8; })) {
    std::string names;
    for (const DriverDevice& device : found.devices) names += (names.empty() ? "" : ", ") + describe(device);
    return "the driver (CUDA " + found.version + ") finds only " + names + "; " + needed;
  }
  return libraries.missing;
}

}  // namespace

void set_cuda_libraries(CudaLibraries told) {
  const std::lock_guard lock(mutex);
  libraries = std::move(told);
}

std::string cuda_unavailable_reason() {
  const std::lock_guard lock(mutex);
  return reason_of(libraries);
}

Device& open_cuda_device(int index) {
  const std::lock_guard lock(mutex);
  const std::string reason = reason_of(libraries);
  if (!reason.empty()) fail("CUDA_UNAVAILABLE", reason, ". Next: npx rdrop doctor");
  const auto& devices = driver().devices;
  if (index < 0 || size_t(index) >= devices.size()) {
    fail("CUDA_UNAVAILABLE", "CUDA device ", index, ": the driver finds ", devices.size(),
         ", counted from 0. Next: npx rdrop doctor");
  }
  if (!opened) {
    for (const std::string& library : libraries.libtorch) {
      // Global, because librdrop_cuda.so finds libtorch's symbols there.
      if (!dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL)) {
        fail("CUDA_UNAVAILABLE", library, ": the CUDA part of libtorch could not be opened (", dlerror(),
             "). Next: npx rdrop setup --cuda");
      }
    }
    opened = true;
  }
  return open_device(libraries.rdrop_cuda, index);
}

}  // namespace rdrop
