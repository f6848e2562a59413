// A queue of jobs that one thread works through. It knows neither libtorch nor Node, so that ThreadSanitizer can judge
// it alone (native/test/threads/).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <iterator>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

namespace rdrop {

/// Jobs run one after another in the order they came. Each belongs to an owner, who can take back what waits.
class JobQueue {
 public:
  using Job = std::function<void()>;  ///< must not throw

  /// Once ended, a queue drops what it is given.
  void post(const void* owner, Job job) {
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      jobs_.push_back({owner, std::move(job)});
    }
    changed_.notify_all();
  }

  /// Posts the job only where nothing runs or waits; false: something does.
  bool post_if_idle(const void* owner, Job job) {
    {
      const std::lock_guard lock(mutex_);
      if (ended_ || working_ || !jobs_.empty()) return false;
      jobs_.push_back({owner, std::move(job)});
    }
    changed_.notify_all();
    return true;
  }

  /// Drops the waiting jobs of an owner and waits for the one that runs.
  void forget(const void* owner) {
    std::list<Entry> dropped;  // released after the lock: what a job holds may take long to free
    std::unique_lock lock(mutex_);
    for (auto entry = jobs_.begin(); entry != jobs_.end();) {
      const auto next = std::next(entry);
      if (entry->owner == owner) dropped.splice(dropped.end(), jobs_, entry);
      entry = next;
    }
    changed_.wait(lock, [&] { return !(working_ && running_ == owner); });
  }

  /// Drops every job, waits for the one that runs, and has work() return. Called by the worker itself it does not wait.
  void end() {
    std::list<Entry> dropped;
    std::unique_lock lock(mutex_);
    ended_ = true;
    dropped.swap(jobs_);
    changed_.notify_all();
    if (worker_ == std::this_thread::get_id()) return;
    changed_.wait(lock, [&] { return !working_; });
  }

  /// The life of the thread that works.
  void work() {
    std::unique_lock lock(mutex_);
    worker_ = std::this_thread::get_id();
    for (;;) {
      changed_.wait(lock, [&] { return ended_ || !jobs_.empty(); });
      if (ended_) return;
      Entry entry = std::move(jobs_.front());
      jobs_.pop_front();
      running_ = entry.owner;
      working_ = true;
      lock.unlock();
      entry.job();
      entry.job = nullptr;  // what the job held is released on this thread, outside the lock
      lock.lock();
      working_ = false;
      running_ = nullptr;
      changed_.notify_all();
    }
  }

 private:
  struct Entry {
    const void* owner;
    Job job;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Entry> jobs_;
  const void* running_ = nullptr;  // the owner of the job that runs
  bool working_ = false, ended_ = false;
  std::thread::id worker_;
};

}  // namespace rdrop
