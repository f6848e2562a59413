// How kernels are started on the GPU, beyond their shape.
#pragma once

namespace rdrop {

/// How kernels are started on this thread, set by whoever names the stream (CudaDevice::stream).
struct LaunchMode {
  /// With programmatic dependent launch, for chips from sm_90 on: a kernel's blocks are brought to the multiprocessors
  /// while the last blocks of the kernel before still run, and wait there until all of it is done.
  bool dependent = false;
  /// The next kernel on that stream follows something else than the one kernel before it (a fork, a join, the start of
  /// a recording, a copy, a fill), so it is started in the plain way.
  bool* plain_next = nullptr;
};
inline thread_local LaunchMode launch_mode;

}  // namespace rdrop
