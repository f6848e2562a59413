// The parts that several threads use at once, without libtorch or Node, for ThreadSanitizer (scripts/sanitize.mjs
// threads): the engine's queue and the memory of temporaries. Prints "ok NAME" or "FAILED NAME: reason" a line.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "addon/job_queue.h"
#include "core/caching_allocator.h"

namespace {

using rdrop::CachingAllocator;
using rdrop::JobQueue;

void expect(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

/// A queue with the thread that works through it.
struct Working {
  JobQueue queue;
  std::thread thread{[this] { queue.work(); }};
  ~Working() {
    queue.end();
    thread.join();
  }
};

void on_threads(int count, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

/// Jobs write without a lock: only the queue's order keeps them apart.
void queue_runs_in_order() {
  int total = 0;
  {
    Working working;
    on_threads(6, [&](int owner) {
      for (int i = 0; i < 200; ++i) {
        auto held = std::make_shared<int>(i);
        working.queue.post(reinterpret_cast<void*>(size_t(owner) + 1), [&total, held] { total += *held >= 0; });
      }
    });
    std::atomic<bool> last{false};
    working.queue.post(nullptr, [&] { last = true; });
    while (!last) std::this_thread::yield();
  }
  expect(total == 6 * 200, "a job was lost or ran twice");
}

/// After forget() neither the job nor what it holds is touched again.
void queue_forgets_its_owners() {
  Working working;
  on_threads(6, [&](int) {
    for (int round = 0; round < 100; ++round) {
      auto state = std::make_unique<int>(0);
      int* raw = state.get();
      for (int i = 0; i < 5; ++i) working.queue.post(raw, [raw] { ++*raw; });
      working.queue.forget(raw);
      expect(*raw >= 0 && *raw <= 5, "a job ran that was never posted");
    }
  });
}

/// As rdropLossSync does: one who finds the queue idle waits for his own job, the others do without.
void queue_lends_itself_when_idle() {
  Working working;
  std::atomic<int> lent{0}, refused{0};
  on_threads(6, [&](int) {
    for (int i = 0; i < 200; ++i) {
      int answer = 0;
      std::atomic<bool> done{false};
      if (working.queue.post_if_idle(&answer, [&] {
            answer = 7;
            done = true;
          })) {
        while (!done) std::this_thread::yield();
        working.queue.forget(&answer);
        expect(answer == 7, "the job did not run");
        ++lent;
      } else {
        ++refused;
      }
    }
  });
  expect(lent > 0 && lent + refused == 6 * 200, "every call is either lent or refused");
}

/// end() while others post: nothing runs after it, and nobody waits for ever.
void queue_ends_at_any_time() {
  for (int round = 0; round < 50; ++round) {
    Working working;
    std::atomic<bool> ended{false};
    std::atomic<int> late{0};
    on_threads(4, [&](int i) {
      if (i == 0) {
        std::this_thread::yield();
        working.queue.end();
        ended = true;
        return;
      }
      for (int k = 0; k < 20; ++k) {
        const bool after = ended;
        working.queue.post(&late, [&late, after] { late += after; });
      }
    });
    expect(late == 0, "a job posted after the end ran");
  }
}

void memory_belongs_to_one_thread_at_a_time() {
  CachingAllocator memory(
      [](size_t bytes) -> void* {
        void* block = nullptr;
        if (posix_memalign(&block, 64, bytes) != 0) throw std::bad_alloc();
        return block;
      },
      std::free);
  on_threads(6, [&](int thread) {
    std::vector<std::pair<unsigned char*, size_t>> held;
    unsigned state = unsigned(thread) * 2654435761u + 1;
    for (int i = 0; i < 1500; ++i) {
      state = state * 1664525u + 1013904223u;
      const size_t bytes = size_t(1) << (state >> 28);
      auto* block = static_cast<unsigned char*>(memory.take(bytes + (state >> 8) % 600));
      std::memset(block, thread + 1, bytes);
      held.push_back({block, bytes});
      if (held.size() < 8) continue;
      const auto [first, size] = held[state % 8];
      held[state % 8] = held.back();
      held.pop_back();
      for (size_t k = 0; k < size; ++k)
        expect(first[k] == thread + 1, "another thread wrote into a block that is taken");
      memory.give(first);
    }
    for (const auto& [block, size] : held) memory.give(block);
    expect(memory.idle_bytes() <= CachingAllocator::kMostIdle, "more lies idle than may");
  });
}

}  // namespace

int main() {
  const std::pair<const char*, void (*)()> cases[] = {
      {"queue: jobs run in order, each once", queue_runs_in_order},
      {"queue: forget() waits, and ends the use of what its owner frees", queue_forgets_its_owners},
      {"queue: lends itself when idle", queue_lends_itself_when_idle},
      {"queue: ends at any time", queue_ends_at_any_time},
      {"kept memory: a block belongs to one thread at a time", memory_belongs_to_one_thread_at_a_time},
  };
  int status = 0;
  for (const auto& [name, body] : cases) {
    try {
      body();
      std::printf("ok %s\n", name);
    } catch (const std::exception& error) {
      std::printf("FAILED %s: %s\n", name, error.what());
      status = 1;
    }
  }
  return status;
}
