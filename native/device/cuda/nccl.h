// Devices of several processes, by NCCL: the library that libtorch_cuda has brought into the process. No header of it
// is needed; nccl.cc declares the few functions that are used.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "device/cuda/context.h"
#include "device/device.h"

namespace rdrop {

class NcclMeetings final : public DeviceMeetings {
 public:
  explicit NcclMeetings(CudaContext& context) : context_(context) {}

  std::vector<uint8_t> name() override;
  std::unique_ptr<DeviceRanks> join(const std::vector<uint8_t>& name, int rank, int size) override;

 private:
  CudaContext& context_;
};

}  // namespace rdrop
