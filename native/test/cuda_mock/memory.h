// The mock devices' memory: a range of addresses of this process for each device, of which no address is ever given out
// twice. Fresh memory holds NaN; freed memory cannot be read or written.
#pragma once

#include <cstddef>
#include <map>

#include "test/cuda_mock/work.h"

namespace cuda_mock {

enum class Place { device, pinned, pageable };

class Memory {
 public:
  Memory();

  /// Null where the limit of the device does not allow it.
  void* allocate(size_t bytes, int device);
  /// False: it was never allocated, or freed already.
  bool free(void* memory);
  void add_pinned(void* memory, size_t bytes) { pinned_[static_cast<char*>(memory)] = bytes; }
  bool remove_pinned(void* memory) { return pinned_.erase(static_cast<char*>(memory)) > 0; }

  /// Whether a word among a kernel's arguments looks like an address of a device.
  bool may_be_address(const void* word) const;
  Place place_of(const void* pointer) const;
  /// The device of an address that place_of says is a device's.
  int device_of(const void* pointer) const;
  bool is_allocated(const void* pointer, size_t bytes = 1) const;

  /// Whether all memory of the work is allocated; where not that is a violation.
  bool may_run(const Work& work) const;

  size_t in_use(int device) const { return in_use_[device]; }
  size_t peak(int device) const { return peak_[device]; }
  size_t limit = size_t(24) << 30;

 private:
  static constexpr size_t kArenaBytes = size_t(1) << 42;
  static constexpr int kMostDevices = 8;

  char* arenas_ = nullptr;
  size_t used_[kMostDevices] = {}, in_use_[kMostDevices] = {}, peak_[kMostDevices] = {};
  std::map<const char*, size_t> blocks_;  // allocated
  std::map<const char*, size_t> pinned_;
};

Memory& memory();

}  // namespace cuda_mock
