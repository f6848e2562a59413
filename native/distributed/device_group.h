// The devices of a group's ranks, which sum among themselves (backend 'nccl'). Nobody waits for a sum but the stream
// that it stands in. A thread of its own watches the run: a lost rank ends the sums that wait for it.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "device/device.h"
#include "distributed/group.h"

namespace rdrop {

class DeviceGroup {
 public:
  /// Brings the devices of all ranks together. Throws DISTRIBUTED_UNAVAILABLE, INVALID_ARGUMENT where the device
  /// cannot, RANK_LOST, RANK_FAILED; an error of this rank alone fails the group.
  DeviceGroup(std::shared_ptr<Group> group, Device& device);
  ~DeviceGroup();
  DeviceGroup(const DeviceGroup&) = delete;

  /// Sums a tensor of the device in place, in the order of the stream. Throws RANK_LOST, RANK_FAILED, DISPOSED.
  void all_reduce(at::Tensor& tensor);

  /// Throws what ended the run: the sums since then may hold any numbers.
  void check() const;
  /// To be called when a sum did not come about, whatever the reason: throws likewise.
  void incomplete() const;

 private:
  struct Watch;

  std::shared_ptr<Watch> watch_;  // the thread's as well
};

}  // namespace rdrop
