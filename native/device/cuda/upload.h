// Copies from the host that run beside the work on the device's stream.
//
// A piece of host memory goes through a slot: the host copies it to the slot's pinned memory; a second stream copies
// that to the slot's memory on the device, beside whatever the device's stream does; then the device's stream copies it
// to its target. The last copy stands in the order of that stream, so it comes after all earlier work that reads the
// target and before all later work, and the caller need not keep two targets; it moves a batch's few hundred kilobytes
// at the speed of the device's memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
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
  /// Copies what `write` writes to the memory that it is given: a slot's own, where the bytes fit.
  void copy(size_t bytes, const std::function<void(void*)>& write, void* to);

 private:
  struct Slot {
    char* pinned;           // [kSlotBytes] on the host
    char* staged;           // [kSlotBytes] on the device
    cudaEvent_t arrived;    // the slot's content is in `staged`: `pinned` may be written again
    cudaEvent_t delivered;  // the target has it: `staged` may be written again
  };

  /// A batch of 8,192 tokens a side fits into a slot, and the host may run ahead of the device by so many.
  static constexpr size_t kSlots = 16;
  static constexpr size_t kSlotBytes = 1024 * 1024;

  /// The next slot, whose pinned memory may be written.
  const Slot& next_slot();
  void send(const Slot& slot, size_t bytes, void* to);

  CudaContext& context_;
  c10::cuda::CUDAStream copies_;
  at::Tensor staging_;      // uint8 [kSlots, kSlotBytes]
  char* pinned_ = nullptr;  // [kSlots, kSlotBytes]
  std::vector<Slot> slots_;
  size_t next_ = 0;
  std::vector<char> large_;  // what is written but does not fit into a slot
};

}  // namespace rdrop
