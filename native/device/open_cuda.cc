// Opening of CUDA on demand: see open_cuda.h.
#include "device/open_cuda.h"

#include <dlfcn.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "core/errors.h"

namespace rdrop {
namespace {

/// What is known and done so far. Never destroyed: the engine thread may outlive static objects.
struct State {
  std::mutex telling;  // guards `libraries`
  CudaLibraries libraries;
  std::mutex opening;  // guards `opened`; held while libraries are opened, which takes seconds
  bool opened = false;
};
State& state = *std::make_unique<State>().release();

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

CudaLibraries told_libraries() {
  const std::lock_guard lock(state.telling);
  return state.libraries;
}

/// Opens libtorch's libraries; the caller holds `opening`. Throws CUDA_UNAVAILABLE.
void open_libtorch(const CudaLibraries& libraries) {
  if (state.opened) return;
  for (const std::string& library : libraries.libtorch) {
    // Global, because librdrop_cuda.so finds libtorch's symbols there.
    if (!dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL)) {
      fail(ErrorCode::cuda_unavailable, library, ": the CUDA part of libtorch could not be opened (", dlerror(),
           "). Next: npx rdrop setup --cuda");
    }
  }
  state.opened = true;
}

}  // namespace

void set_cuda_libraries(CudaLibraries libraries) {
  const std::lock_guard lock(state.telling);
  state.libraries = std::move(libraries);
}

std::string cuda_unavailable_reason() {
  return reason_of(told_libraries());
}

void prepare_cuda() noexcept {
  try {
    const CudaLibraries libraries = told_libraries();
    const std::lock_guard lock(state.opening);
    if (reason_of(libraries).empty()) open_libtorch(libraries);
  } catch (const std::exception&) {
    // Reported when a device is asked for.
  }
}

Device& open_cuda_device(int index) {
  const CudaLibraries libraries = told_libraries();
  const std::string reason = reason_of(libraries);
  if (!reason.empty()) fail(ErrorCode::cuda_unavailable, reason, ". Next: npx rdrop doctor");
  const auto& devices = driver().devices;
  if (index < 0 || size_t(index) >= devices.size()) {
    fail(ErrorCode::cuda_unavailable, "CUDA device ", index, ": the driver finds ", devices.size(),
         ", counted from 0. Next: npx rdrop doctor");
  }
  const std::lock_guard lock(state.opening);
  open_libtorch(libraries);
  return open_device(libraries.rdrop_cuda, index);
}

}  // namespace rdrop
