// The core's side of a device: which one this thread uses, and how a library is opened.
#include "device/device.h"

#include <dlfcn.h>

#include <map>
#include <mutex>
#include <utility>

#include "core/errors.h"

namespace rdrop {
namespace {

thread_local Device* current = nullptr;
thread_local bool tf32_allowed = false;

}  // namespace

Device* current_device() {
  return current;
}

bool current_tf32() {
  return tf32_allowed;
}

DeviceScope::DeviceScope(Device* device, bool tf32)
    : outer_(std::exchange(current, device)), outer_tf32_(std::exchange(tf32_allowed, tf32)) {}

DeviceScope::~DeviceScope() {
  current = outer_;
  tf32_allowed = outer_tf32_;
}

Device& open_device(const std::string& library, int index) {
  static std::mutex mutex;
  static auto& opened = *std::make_unique<std::map<std::pair<std::string, int>, std::unique_ptr<Device>>>().release();
  const std::lock_guard lock(mutex);
  auto& device = opened[{library, index}];
  if (!device) {
    void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle)
      fail(ErrorCode::cuda_unavailable, library, ": the device library could not be opened (", dlerror(), ")");
    const auto open = reinterpret_cast<OpenDevice>(dlsym(handle, "rdrop_open_device"));
    if (!open) fail(ErrorCode::cuda_unavailable, library, ": not a device library of rdrop (", dlerror(), ")");
    device = open(index);
  }
  return *device;
}

}  // namespace rdrop
