// The core's way to CUDA: the libraries are chosen by lib/native/binding.ts; they are opened when a model is
// first made where there is a GPU that can be used, and never elsewhere.
#pragma once

#include <string>
#include <vector>

#include "device/device.h"
#include "device/driver.h"

namespace rdrop {

struct CudaLibraries {
  std::vector<std::string> libtorch;  ///< paths of libc10_cuda.so and libtorch_cuda.so, in this order
  std::string rdrop_cuda;             ///< path of librdrop_cuda.so
  std::string missing;                ///< what is lacking and what provides it; empty when all is there
};

/// From now on; of the process.
void set_cuda_libraries(CudaLibraries libraries);

/// Why no CUDA device can be opened as far as that is known without opening libtorch_cuda: no libraries, no driver, no
/// device, only older chips. Empty when one may be opened.
std::string cuda_unavailable_reason();

/// Opens libtorch's part of CUDA where a device may be opened, else does nothing. To be called before anything runs,
/// also on the CPU: when one of its parts first asks for CUDA (a backward pass of its autograd does), libtorch
/// remembers the answer for good, and would refuse every device that is asked for later.
void prepare_cuda() noexcept;

/// The CUDA device with this number; the same object every time. Throws CUDA_UNAVAILABLE.
Device& open_cuda_device(int index);

}  // namespace rdrop
