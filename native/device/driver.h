// What the NVIDIA driver says of itself and its devices, asked without any library of CUDA or libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rdrop {

struct DriverDevice {
  std::string name;
  int compute_major, compute_minor;
  int64_t total_bytes;
};

struct Driver {
  std::string version;  ///< the newest CUDA that it runs, such as '13.0'; empty without a driver
  std::string reason;   ///< why no device can be used; empty when there is one
  std::vector<DriverDevice> devices;
};

/// Opens the driver's library, which takes a fraction of a second, on the first call.
const Driver& driver();

}  // namespace rdrop
