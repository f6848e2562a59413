// The driver's own interface (libcuda.so.1), opened by name: its functions have had these signatures since CUDA 4.
#include "device/driver.h"

#include <dlfcn.h>

namespace rdrop {
namespace {

/// CUresult: 0 is success.
using Result = int;
constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR

template <typename F>
F symbol(void* library, const char* name) {
  return reinterpret_cast<F>(dlsym(library, name));
}

Driver ask() {
  Driver driver;
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    driver.reason = std::string("no NVIDIA driver is installed (") + dlerror() + ")";
    return driver;
  }
  const auto init = symbol<Result (*)(unsigned)>(library, "cuInit");
  const auto version_of = symbol<Result (*)(int*)>(library, "cuDriverGetVersion");
  const auto count_of = symbol<Result (*)(int*)>(library, "cuDeviceGetCount");
  const auto get = symbol<Result (*)(int*, int)>(library, "cuDeviceGet");
  const auto name_of = symbol<Result (*)(char*, int, int)>(library, "cuDeviceGetName");
  const auto attribute_of = symbol<Result (*)(int*, int, int)>(library, "cuDeviceGetAttribute");
  const auto bytes_of = symbol<Result (*)(size_t*, int)>(library, "cuDeviceTotalMem_v2");
  if (!init || !version_of || !count_of || !get || !name_of || !attribute_of || !bytes_of) {
    driver.reason = "libcuda.so.1 is not the library of an NVIDIA driver";
    return driver;
  }
  int version = 0;
  if (version_of(&version) == 0) {
    driver.version = std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  }
  if (const Result status = init(0); status != 0) {
    driver.reason =
        "the NVIDIA driver finds no device that it can start (cuInit: error " + std::to_string(status) + ")";
    return driver;
  }
  int count = 0;
  if (count_of(&count) != 0) count = 0;
  for (int i = 0; i < count; ++i) {
    int device = 0;
    char name[256] = "";
    DriverDevice found{};
    size_t bytes = 0;
    if (get(&device, i) != 0 || name_of(name, sizeof(name), device) != 0 ||
        attribute_of(&found.compute_major, kMajor, device) != 0 ||
        attribute_of(&found.compute_minor, kMinor, device) != 0 || bytes_of(&bytes, device) != 0) {
      continue;
    }
    found.name = name;
    found.total_bytes = int64_t(bytes);
    driver.devices.push_back(found);
  }
  if (driver.devices.empty()) driver.reason = "the NVIDIA driver finds no device";
  return driver;
}

}  // namespace

const Driver& driver() {
  static const Driver found = ask();
  return found;
}

}  // namespace rdrop
