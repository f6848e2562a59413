// The emulated stream: work is done at once, or, while the stream records, kept for every replay of the recording, as a
// captured CUDA graph would.
#pragma once

#include <functional>
#include <vector>

namespace rdrop {

struct EmulatedStream {
  bool recording = false;
  std::vector<std::function<void()>> recorded;
};

/// Runs work now or records it. A null stream never records.
inline void enqueue(void* stream, std::function<void()> work) {
  auto* queue = static_cast<EmulatedStream*>(stream);
  if (queue && queue->recording) {
    queue->recorded.push_back(std::move(work));
  } else {
    work();
  }
}

}  // namespace rdrop
