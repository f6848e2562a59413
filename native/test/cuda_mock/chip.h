// What the mock's devices are: the chip that MOCK_SM names.
#pragma once

namespace cuda_mock {

struct Chip {
  int major, minor;
  int multiprocessors;
  int most_shared_bytes;  ///< of a block, when it is asked for
  int multiprocessor_shared_bytes;
  int multiprocessor_threads;
};
const Chip& mock_chip();
constexpr const char* kDeviceName = "Mock GPU";

}  // namespace cuda_mock
