// A plain struct in a device's memory: kernels take its address, the host copies it as a whole.
#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>

#include "device/device.h"

namespace rdrop {

template <class T>
class DeviceStruct {
 public:
  explicit DeviceStruct(Device& device)
      : device_(&device), bytes_(device.memory().empty({int64_t(sizeof(T))}, at::kByte)) {
    static_assert(std::is_trivially_copyable_v<T>);
  }

  /// Where it lies on the device; the host does not read there.
  T* address() const { return static_cast<T*>(bytes_.mutable_data_ptr()); }

  /// uint8 [size], from an offset on: a view.
  at::Tensor bytes(size_t offset, size_t size) const { return bytes_.narrow(0, int64_t(offset), int64_t(size)); }

  /// Waits for the work on the stream.
  T read() const {
    const at::Tensor host = device_->memory().download(bytes_);
    T value;
    std::memcpy(&value, host.const_data_ptr(), sizeof(T));
    return value;
  }

  /// After the work that is on the stream.
  void write(const T& value) { device_->memory().upload(&value, sizeof(T), bytes_); }

 private:
  Device* device_;
  at::Tensor bytes_;
};

}  // namespace rdrop
