// See waiting.h.
#include "addon/waiting.h"

#include <fcntl.h>
#include <omp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "core/crowded.h"

namespace rdrop {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kPeriod = 25ms;  ///< between two looks while there is work
constexpr auto kIdle = 1s;      ///< without a job after which the watcher sleeps until the next
constexpr double kCrowded =
    0.1;                        ///< share of a period that some thread stood in line: twice running, and threads sleep
constexpr double kFree = 0.03;  ///< below it for kLeastHold, the cores may be free again
constexpr auto kLeastHold = 500ms;   ///< asleep at least; doubled each time that spinning turns out wrong at once
constexpr auto kLongestHold = 8s;    ///< asleep at most: whether spinning would be right shows only while they spin
constexpr auto kLasted = 2s;         ///< spinning that was right for so long was no error
constexpr size_t kMostWatched = 16;  ///< threads looked at, evenly over the team
constexpr int kMostExtra = 64;       ///< threads that bringing libgomp above the number of cores may take

/// Nanoseconds that a thread of this process ran, and that it was ready but stood in line for a core.
struct Times {
  double ran, in_line;
};

/// Nothing: no such thread any more, or the system does not say.
std::optional<Times> times_of(int thread) {
  char path[64], text[128];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", thread);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return std::nullopt;
  text[length] = 0;
  unsigned long long ran = 0, in_line = 0;
  if (std::sscanf(text, "%llu %llu", &ran, &in_line) != 2 || ran == 0) return std::nullopt;
  return Times{double(ran), double(in_line)};
}

/// linux/sched/types.h, which not every system's headers have.
struct SchedulingAttributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;  ///< runtime: of a usual thread the slice of time it asks for, since Linux 6.12
};

constexpr uint64_t kShortSlice = 100'000;  ///< nanoseconds; the least that Linux takes

/// While one lives, its threads ask for short slices of time: a thread that asks for less is let in sooner when it
/// wakes, and gets no more in all. A wish: older systems do not know it.
class ShortSlices {
 public:
  explicit ShortSlices(const std::vector<int>& threads) {
    for (const int thread : threads) {
      SchedulingAttributes usual{};
      if (syscall(SYS_sched_getattr, thread, &usual, sizeof usual, 0) != 0 || usual.policy != SCHED_OTHER) continue;
      usual.size = sizeof usual;
      usual_.push_back({thread, usual});
      SchedulingAttributes brief = usual;
      brief.runtime = kShortSlice;
      syscall(SYS_sched_setattr, thread, &brief, 0);
    }
  }
  ~ShortSlices() {
    for (auto& [thread, usual] : usual_) syscall(SYS_sched_setattr, thread, &usual, 0);
  }
  ShortSlices(const ShortSlices&) = delete;

 private:
  std::vector<std::pair<int, SchedulingAttributes>> usual_;
};

/// While one lives, libgomp has more threads than there are cores.
class Crowd {
 public:
  explicit Crowd(int size)
      : thread_([this, size] {
#pragma omp parallel num_threads(size)
          { asm volatile(""); }
          std::unique_lock lock(mutex_);
          changed_.wait(lock, [&] { return over_; });
        }) {
  }

  /// The team ends with its thread.
  ~Crowd() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Crowd(const Crowd&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

class Watcher {
 public:
  void watch(const std::vector<int>& threads) {
    const std::lock_guard lock(mutex_);
    const size_t count = std::min(threads.size(), kMostWatched);
    team_ = threads;
    watched_.clear();
    for (size_t i = 0; i < count; ++i) watched_.push_back({threads[i * threads.size() / count], std::nullopt});
    stale_ = false;
    extra_ = omp_get_num_procs() - int(threads.size()) + 2;
    useful_ = threads.size() > 1 && extra_ >= 2 && extra_ <= kMostExtra && times_of(threads[0]).has_value();
    if (!useful_ || running_) return;
    std::thread([this] { run(); }).detach();
    running_ = true;
  }

  /// Whether the team must be set up again.
  bool job() {
    jobs_.fetch_add(1);
    if (asleep_.load()) {
      const std::lock_guard lock(mutex_);  // so that the word cannot come between its look and its sleep
      changed_.notify_all();
    }
    return stale_;
  }

 private:
  struct Watched {
    int thread;
    std::optional<Times> before;  ///< at the last look
  };

  void run() {
    std::unique_lock lock(mutex_);
    Clock::time_point looked = Clock::now(), worked = looked, since = looked, free_since = looked;
    Clock::duration hold = kLeastHold;
    int crowded_looks = 0;
    for (;;) {
      changed_.wait_for(lock, kPeriod, [] { return false; });
      const uint64_t jobs = jobs_;
      const auto now = Clock::now();
      const auto [worked_meanwhile, in_line] = look();
      const double share = in_line / double(std::chrono::nanoseconds(now - looked).count());
      looked = now;
      if (worked_meanwhile) worked = now;
      if (now - worked > kIdle && !crowd_) {
        asleep_ = true;
        changed_.wait(lock, [&] { return jobs_ != jobs; });
        asleep_ = false;
        for (Watched& one : watched_) one.before.reset();
        worked = looked = Clock::now();
        continue;
      }
      if (!crowd_) {
        crowded_looks = share < kCrowded ? 0 : crowded_looks + 1;
        if (crowded_looks < 2 || !gather()) continue;
        hold = now - since < kLasted ? std::min<Clock::duration>(2 * hold, kLongestHold) : kLeastHold;
        crowded_looks = 0;
        since = free_since = now;
      } else {
        if (share > kFree) free_since = now;
        if (now - since < hold && now - free_since < kLeastHold) continue;
        slices_.reset();
        crowd_.reset();
        cores_crowded = false;
        since = now;
      }
    }
  }

  bool gather() noexcept {
    try {
      if (!can_start_threads(extra_)) return false;
      crowd_ = std::make_unique<Crowd>(extra_);
      slices_ = std::make_unique<ShortSlices>(team_);
    } catch (...) {
      crowd_.reset();
      return false;  // no memory or no thread: the next look tries again
    }
    cores_crowded = true;
    return true;
  }

  /// Since the last look: whether any thread ran, and the nanoseconds in line of the one that stood there longest.
  std::pair<bool, double> look() {
    std::pair<bool, double> since{false, 0};
    if (!useful_) return since;
    for (Watched& one : watched_) {
      const std::optional<Times> now = times_of(one.thread);
      if (!now) stale_ = true;
      if (now && one.before) {
        since.first |= now->ran > one.before->ran;
        since.second = std::max(since.second, now->in_line - one.before->in_line);
      }
      one.before = now;
    }
    return since;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int> team_;
  std::vector<Watched> watched_;
  int extra_ = 0;
  bool useful_ = false, running_ = false;
  std::unique_ptr<Crowd> crowd_;
  std::unique_ptr<ShortSlices> slices_;
  std::atomic<uint64_t> jobs_{0};
  std::atomic<bool> asleep_{false}, stale_{false};
};

/// Never destroyed: its thread may outlive static objects.
Watcher& watcher() {
  static Watcher* one = std::make_unique<Watcher>().release();
  return *one;
}

bool host_decides() {
  return std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT");
}

}  // namespace

void watch_waiting(const std::vector<int>& threads) {
  static const bool decided = host_decides();
  if (decided) return;
  try {
    watcher().watch(threads);
  } catch (...) {
    // No thread for it, or no memory: threads wait as libgomp has them.
  }
}

bool waiting_job() {
  return watcher().job();
}

bool waiting_asleep() {
  return cores_crowded;
}

}  // namespace rdrop
