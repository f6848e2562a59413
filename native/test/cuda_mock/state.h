// What all parts of the mock runtime share: settings, streams, events, graphs, and how a call answers.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "test/cuda_mock/work.h"

#define MOCK_API extern "C" __attribute__((visibility("default")))

namespace cuda_mock {

/// From environment variables, when the library is loaded.
struct Settings {
  bool compute = true;   ///< MOCK_COMPUTE=0: work is recorded and checked, kernels and large copies do nothing
  bool record = true;    ///< or every capture is refused
  int devices = 1;       ///< MOCK_DEVICES
  int sm = 86;           ///< MOCK_SM: the chip, 80, 86, 89 or 90
  bool verbose = false;  ///< MOCK_VERBOSE=1: functions that the mock lacks are named when they are called
};
const Settings& settings();

/// Recursive, and whoever holds it can let others go on for a moment.
class Mutex {
 public:
  void lock() {
    mutex_.lock();
    ++depth_;
  }
  void unlock() {
    --depth_;
    mutex_.unlock();
  }
  /// The caller holds it, however often.
  void pause();

 private:
  std::recursive_mutex mutex_;
  int depth_ = 0;  // of its holder
};

/// Held by every call of the runtime.
Mutex& mutex();
using Lock = std::lock_guard<Mutex>;

/// A rule was broken: kept for mock_violations(), printed, and appended to the file that MOCK_REPORT names.
__attribute__((format(printf, 1, 2))) void violation(const char* format, ...);

/// The answer of a call: remembered as the thread's last error where it is one.
cudaError_t answer(cudaError_t status);

/// The kinds of calls that a test can make fail.
enum class Call {
  allocation,
  pinned,
  launch,
  copy,
  fill,
  event,
  stream,
  capture,
  graph,
  product,
  wait,
  collective,
  count
};
/// Counts a call. Success, or the error with which it has to fail: that of mock_fail, or that of a device that is lost.
cudaError_t begin(Call call);

/// What runs at the moment; null between two tasks.
const Work*& current_work();

/// The device of the calling thread.
int& current_device();

struct Node {
  WorkPtr work;
  std::vector<Node*> after;
  size_t index;
};

struct Graph {
  std::vector<std::unique_ptr<Node>> nodes;
  Node* add(WorkPtr work, std::vector<Node*> after);
};

struct Stream;

struct Capture {
  uint64_t id;
  Graph* graph;
  Stream* origin;
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  cudaError_t invalid = cudaSuccess;
  std::set<Stream*> streams;
};

struct Stream {
  int device = 0;
  bool blocking = false;  ///< waits for the legacy stream, which waits for it
  int priority = 0;
  std::vector<TaskPtr> tail;         ///< what later work comes after
  std::shared_ptr<Capture> capture;  ///< while it is recorded
  std::vector<Node*> recorded_tail;  ///< in that recording
};

struct Event {
  int device = 0;
  bool recorded = false;
  std::vector<TaskPtr> after;
  std::shared_ptr<Capture> capture;  ///< recorded in this one
  std::vector<Node*> recorded_after;
};

struct Exec {
  int device = 0;
  std::vector<WorkPtr> work;
  std::vector<std::vector<size_t>> after;
  std::vector<TaskPtr> last;  ///< of the launch before: one follows the other
};

Queue& queue();

/// The stream behind a handle; null is the legacy stream of the current device.
Stream& stream_of(cudaStream_t handle);
std::set<Stream*>& streams();

/// Puts work on a stream or into its recording; outside a recording it comes after some tasks besides.
cudaError_t submit(Stream& stream, Work work, const std::vector<TaskPtr>& after = {});

/// What the stream's next work comes after, the legacy stream's rules included.
std::vector<TaskPtr> predecessors(Stream& stream);

/// Runs everything that the stream has.
void finish(Stream& stream);

/// For a call that may not be made while the calling thread records: ends the recordings that forbid it.
cudaError_t forbid_while_recording(const char* call);

/// Ends a recording with an error that its end will report.
cudaError_t invalidate(Capture& capture, cudaError_t status, const char* why);

/// Recordings under way, in all threads.
std::set<std::shared_ptr<Capture>>& captures();

}  // namespace cuda_mock
