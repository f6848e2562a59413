// The emulated stream: work is done at once, or, while the stream records, kept for every replay of the recording, as a
// captured CUDA graph would. Work beside it (Device::beside) may run at any time between the fork and the join; here it
// runs at either end, so that a missing join and a use of the same memory from both streams change the numbers.
#pragma once

#include <atomic>
#include <functional>
#include <utility>
#include <vector>

#include "core/errors.h"

namespace rdrop {

/// True while work beside the stream runs on this thread. The counters of Block::counter belong to the stream: two
/// kernels that run at once would count with the same ones.
inline thread_local bool running_beside = false;

struct RunningBeside {
  RunningBeside() { running_beside = true; }
  ~RunningBeside() { running_beside = false; }
};

struct EmulatedStream {
  std::atomic<bool> misused = false;  ///< a graph was destroyed on another thread than the one that runs them
  bool recording = false;
  std::vector<std::function<void()>> recorded;
  bool beside = false;                         ///< what comes now is work beside the stream
  bool late = true;                            ///< that work waits for the join
  std::vector<std::function<void()>> waiting;  ///< for the join

  void put(std::function<void()> work) {
    if (misused) fail(ErrorCode::cuda_failed, "a graph was destroyed beside the thread that runs graphs");
    if (beside) {
      work = [work = std::move(work)] {
        const RunningBeside scope;
        work();
      };
    }
    if (beside && late) {
      waiting.push_back(std::move(work));
    } else if (recording) {
      recorded.push_back(std::move(work));
    } else {
      work();
    }
  }

  /// What waits runs or is recorded.
  void join() {
    for (auto& work : std::exchange(waiting, {})) put(std::move(work));
  }
};

/// Runs work now or keeps it. A null stream runs it.
inline void enqueue(void* stream, std::function<void()> work) {
  if (auto* queue = static_cast<EmulatedStream*>(stream)) {
    queue->put(std::move(work));
  } else {
    work();
  }
}

}  // namespace rdrop
