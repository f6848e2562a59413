// Large blocks of memory, kept for the next ones: a system clears every page that it hands out anew, and with large
// pages all of a step's activations would be cleared once more in the next step.
#pragma once

#include <stddef.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <unordered_map>

namespace rdrop {

/// All blocks together, the idle ones included, are never more than were once in use at the same time: what is kept
/// makes no peak higher. Without a user nothing is kept. For any number of threads.
class LargeBlocks {
 public:
  using Allocate = void* (*)(size_t bytes);  ///< throws when there is no memory
  using Free = void (*)(void* block, size_t bytes);
  static constexpr size_t kUnit = size_t(2) << 20;  ///< a large page; blocks are whole ones

  LargeBlocks(Allocate allocate, Free free) : allocate_(allocate), free_(free) {}
  LargeBlocks(const LargeBlocks&) = delete;
  ~LargeBlocks() { release_idle(); }

  /// At least `bytes`, uninitialized.
  void* take(size_t bytes) {
    const size_t size = (bytes + kUnit - 1) / kUnit * kUnit;
    const std::lock_guard lock(mutex_);
    const auto fitting = idle_.lower_bound(size);
    if (fitting != idle_.end() && fitting->first <= size + size / 2) {
      const auto [found, block] = *fitting;
      idle_.erase(fitting);
      idle_bytes_ -= found;
      return use(block, found);
    }
    while (!idle_.empty() && used_bytes_ + idle_bytes_ + size > most_) free_largest();
    void* block = nullptr;
    try {
      block = allocate_(size);
    } catch (...) {
      if (idle_.empty()) throw;
      while (!idle_.empty()) free_largest();
      block = allocate_(size);
    }
    return use(block, size);
  }

  /// Whether it is a block that take() gave; then it is idle, or without a user free.
  bool give(void* block) {
    const std::lock_guard lock(mutex_);
    const auto found = used_.find(block);
    if (found == used_.end()) return false;
    idle_.emplace(found->second, block);
    idle_bytes_ += found->second;
    used_bytes_ -= found->second;
    used_.erase(found);
    if (users_ == 0) release_idle();
    return true;
  }

  /// For as long as something may take blocks of the same sizes again.
  void begin_use() {
    const std::lock_guard lock(mutex_);
    ++users_;
  }
  /// Gives the idle blocks back to the system: the next user may be far smaller.
  void end_use() {
    const std::lock_guard lock(mutex_);
    --users_;
    release_idle();
  }

  size_t idle_bytes() {
    const std::lock_guard lock(mutex_);
    return idle_bytes_;
  }

 private:
  void* use(void* block, size_t size) {
    used_.emplace(block, size);
    used_bytes_ += size;
    most_ = std::max(most_, used_bytes_);
    return block;
  }
  /// And forgets how many bytes were in use.
  void release_idle() {
    while (!idle_.empty()) free_largest();
    most_ = used_bytes_;
  }
  void free_largest() {
    const auto last = std::prev(idle_.end());
    free_(last->second, last->first);
    idle_bytes_ -= last->first;
    idle_.erase(last);
  }

  Allocate allocate_;
  Free free_;
  std::mutex mutex_;
  std::unordered_map<void*, size_t> used_;
  std::multimap<size_t, void*> idle_;
  size_t used_bytes_ = 0, idle_bytes_ = 0, most_ = 0;
  int users_ = 0;
};

}  // namespace rdrop
