// Copies from the host that run beside the work on the device's stream.
//
// A piece of host memory goes through a slot: the host copies it to the slot's pinned memory; a second stream copies
// that to the slot's memory on the device, beside whatever the device's stream does; then the device's stream copies it
// to its target. The last copy stands in the order of that stream, so it comes after all earlier work that reads the
// target and before all later work, and the caller need not keep two targets; it moves a batch's few hundred kilobytes
// at the speed of the device's memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "device/cuda/context.h"

namespace rdrop {

class CudaUpload {
 public:
  explicit CudaUpload(CudaContext& context);
  ~CudaUpload();
  CudaUpload(const CudaUpload&) = delete;

  /// Copies `bytes` of host memory to `to` on the device. The host memory may be reused on return.
  void copy(const void* from, size_t bytes, void* to);

 private:
  struct Slot {
    char* pinned;           // [kSlotBytes] on the host
    char* staged;           // [kSlotBytes] on the device
    cudaEvent_t arrived;    // the slot's content is in `staged`: `pinned` may be written again
    cudaEvent_t delivered;  // the target has it: `staged` may be written again
  };

  /// The host runs ahead of the device by up to an update, whose batch is a dozen pieces.
  static constexpr size_t kSlots = 32;
  static constexpr size_t kSlotBytes = 512 * 1024;

  void piece(const char* from, size_t bytes, char* to);

  CudaContext& context_;
  c10::cuda::CUDAStream copies_;
  at::Tensor staging_;  // uint8 [kSlots, kSlotBytes]
  char* pinned_ = nullptr;
  std::vector<Slot> slots_;
  size_t next_ = 0;
};

}  // namespace rdrop
