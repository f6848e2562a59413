// Work that is run as a graph where it can be: shared by the training step and the beam search.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "device/device.h"

namespace rdrop {

/// One piece of work: always the same launches on the same memory.
struct Recording {
  bool warm = false;     ///< it has run once as it is, so that libraries have chosen and loaded their kernels
  bool plain = false;    ///< it has run without a graph although it was warm
  bool refused = false;  ///< its graph did not fit into the memory
  std::unique_ptr<Graph> graph;
};

/// Recordings that share one pool of memory. Lives on one thread, the one that uses the device.
class Recorder {
 public:
  /// Records at most so many graphs at a time; each keeps its kernels' arguments.
  Recorder(Device& device, int64_t most);
  ~Recorder();
  Recorder(const Recorder&) = delete;

  Recording& add();
  void remove(Recording& recording);

  /// Runs work the first time as it is, then records it and replays the recording; where that is impossible, runs it as
  /// it is each time. Throws what work throws, half of which may then have run: OUT_OF_MEMORY as well.
  void run(Recording& recording, const std::function<void()>& work);

  /// Calls `attempt`, and where it throws OUT_OF_MEMORY makes room and calls it again: first the memory that is cached
  /// is given back, then all graphs and their pool are, which `attempt` records again. The third failure is thrown. So
  /// graphs never need more memory than the work without them.
  void with_room(const std::function<void()>& attempt);

  int64_t graphs() const;
  /// Recordings that run without a graph.
  int64_t plain() const;
  /// Why work is launched kernel by kernel although graphs were wanted; empty: it is not.
  const std::string& fallback_reason() const { return reason_; }

 private:
  void capture(Recording& recording, const std::function<void()>& work);
  /// Forgets all graphs; false: there was nothing to forget.
  bool forget_graphs();

  Device& device_;
  const int64_t most_;
  std::unique_ptr<GraphPool> pool_;
  std::vector<std::unique_ptr<Recording>> recordings_;
  bool running_ = false;
  bool cannot_record_ = false;
  std::string reason_;
};

}  // namespace rdrop
