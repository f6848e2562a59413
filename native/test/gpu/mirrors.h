// The kernel tests on a GPU. A test hands a kernel pointers into its own memory: arrays, variables on the stack,
// constants. Before the kernel starts, every object that its arguments point to is copied to memory of the device and
// the pointers are changed; after it, what the kernel changed is copied back. So the tests run as they are, on memory
// that is exactly as long as the object, and a sanitizer sees each access beyond it. Needs neither managed memory nor a
// driver that can read the host's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rdrop::test {

/// A flag in a kernel's arguments is a whole word (int64_t), since what lies in the padding behind a bool could look
/// like a pointer. Off where kernels run on memory of the device already: benchmarks, and the step's program.
extern bool mirrors_on;

/// Launches since the program began.
extern int64_t mirrored_launches;

class Mirrors {
 public:
  /// arguments: the kernel's, in a copy of its own; every pointer to the host's memory in them is changed.
  Mirrors(void* arguments, size_t bytes);
  Mirrors(const Mirrors&) = delete;
  ~Mirrors();

  /// Waits for the kernel and copies what it changed. Throws CUDA_FAILED.
  void take_back();

 private:
  struct Range {
    char* host;
    size_t bytes;
    char* device;
    std::vector<char> sent;  ///< what the kernel found there
  };
  std::vector<Range> ranges_;
};

}  // namespace rdrop::test
