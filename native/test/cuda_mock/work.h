// What the mock device does, piece by piece: kernels, copies, fills and products as they wait in streams or lie in
// graphs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace cuda_mock {

/// Memory that a piece of work reads or writes. Of a pointer among a kernel's arguments only the first byte is known.
struct Range {
  const void* begin;
  size_t bytes;
};

struct Work {
  enum class Kind { kernel, copy, fill, product, host, empty, collective };
  Kind kind = Kind::empty;
  std::string name;
  std::vector<Range> memory;  ///< of the device and pinned memory of the host: checked when the work runs
  std::function<void()> run;  ///< null: nothing is computed
  /// Asked before it runs, again and again until it answers true; null: at once. A collective waits for its peers.
  std::function<bool()> ready;
  bool own = false;  ///< a kernel of rdrop
  uint32_t blocks = 0, threads = 0;
  size_t shared_bytes = 0;
};

inline const char* name_of(Work::Kind kind) {
  switch (kind) {
    case Work::Kind::kernel:
      return "kernel";
    case Work::Kind::copy:
      return "copy";
    case Work::Kind::fill:
      return "fill";
    case Work::Kind::product:
      return "product";
    case Work::Kind::host:
      return "host";
    case Work::Kind::empty:
      return "empty";
    case Work::Kind::collective:
      return "collective";
  }
  return "";
}

using WorkPtr = std::shared_ptr<const Work>;

/// Work that was put on a stream and has not run yet, or has.
struct Task {
  WorkPtr work;
  int device = 0;
  uint64_t number = 0;  ///< in the order of the calls
  int missing = 0;      ///< tasks that have to run before
  bool done = false;
  std::vector<std::shared_ptr<Task>> dependents;
};

using TaskPtr = std::shared_ptr<Task>;

/// All tasks that wait. They run when somebody waits for one of them, in an order that their dependencies allow and
/// that a seed varies: 0 the order of the calls, 1 the latest first, others shuffled.
class Queue {
 public:
  TaskPtr add(WorkPtr work, int device, const std::vector<TaskPtr>& after);
  void run_until_done(std::vector<TaskPtr> tasks);
  /// All tasks of a device, and what they come after.
  void run_all(int device);
  /// One task, if any can run: somebody asks without waiting. False: those that wait, wait for peers.
  bool run_one();
  void set_order(uint64_t seed) { order_ = random_ = seed; }

 private:
  size_t choose(const std::vector<TaskPtr>& among);

  uint64_t order_ = 0, random_ = 0, next_number_ = 0;
  std::map<int, size_t> waiting_;  // tasks of each device
  std::vector<TaskPtr> ready_;
};

/// Removes what has run.
void prune(std::vector<TaskPtr>& tasks);

}  // namespace cuda_mock
