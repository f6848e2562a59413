// Copies from the host: see upload.h.
#include "device/cuda/upload.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

namespace rdrop {

CudaUpload::CudaUpload(CudaContext& context)
    : context_(context),
      copies_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, static_cast<c10::DeviceIndex>(context.index))) {
  staging_ = at::empty({int64_t(kSlots), int64_t(kSlotBytes)},
                       at::TensorOptions(at::kByte).device(at::kCUDA, static_cast<c10::DeviceIndex>(context.index)));
  context_.check_status(cudaMallocHost(reinterpret_cast<void**>(&pinned_), kSlots * kSlotBytes), "pinned memory");
  auto* staged = static_cast<char*>(staging_.mutable_data_ptr());
  for (size_t i = 0; i < kSlots; ++i) {
    Slot slot{pinned_ + i * kSlotBytes, staged + i * kSlotBytes, nullptr, nullptr};
    context_.check_status(cudaEventCreateWithFlags(&slot.arrived, cudaEventDisableTiming), "an event");
    context_.check_status(cudaEventCreateWithFlags(&slot.delivered, cudaEventDisableTiming), "an event");
    slots_.push_back(slot);
  }
}

CudaUpload::~CudaUpload() {
  cudaStreamSynchronize(copies_.stream());
  for (const Slot& slot : slots_) {
    cudaEventDestroy(slot.arrived);
    cudaEventDestroy(slot.delivered);
  }
  cudaFreeHost(pinned_);
}

void CudaUpload::copy(const void* from, size_t bytes, void* to) {
  for (size_t done = 0; done < bytes; done += kSlotBytes) {
    const size_t piece = std::min(kSlotBytes, bytes - done);
    const Slot& slot = next_slot();
    std::memcpy(slot.pinned, static_cast<const char*>(from) + done, piece);
    send(slot, piece, static_cast<char*>(to) + done);
  }
}

void CudaUpload::copy(size_t bytes, const std::function<void(void*)>& write, void* to) {
  if (bytes > kSlotBytes) {
    large_.resize(bytes);
    write(large_.data());
    return copy(large_.data(), bytes, to);
  }
  const Slot& slot = next_slot();
  write(slot.pinned);
  send(slot, bytes, to);
}

const CudaUpload::Slot& CudaUpload::next_slot() {
  const Slot& slot = slots_[next_];
  next_ = (next_ + 1) % kSlots;
  // An event that was never recorded counts as reached. This is the only wait of the host, for the copy of kSlots
  // pieces ago.
  context_.check_status(cudaEventSynchronize(slot.arrived), "copy to the device");
  return slot;
}

void CudaUpload::send(const Slot& slot, size_t bytes, void* to) {
  const cudaStream_t main = context_.stream.stream(), beside = copies_.stream();
  const char* what = "copy to the device";
  context_.check_status(cudaStreamWaitEvent(beside, slot.delivered, 0), what);
  context_.check_status(cudaMemcpyAsync(slot.staged, slot.pinned, bytes, cudaMemcpyHostToDevice, beside), what);
  context_.check_status(cudaEventRecord(slot.arrived, beside), what);
  context_.check_status(cudaStreamWaitEvent(main, slot.arrived, 0), what);
  context_.check_status(cudaMemcpyAsync(to, slot.staged, bytes, cudaMemcpyDeviceToDevice, main), what);
  context_.check_status(cudaEventRecord(slot.delivered, main), what);
  context_.plain_next = true;
}

}  // namespace rdrop
