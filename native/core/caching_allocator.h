// Memory of temporaries, kept for the next ones. What is freed at the end of a step would go back to the system and
// come again page by page in the next; with threads, each return interrupts all of them (a step of D 64 took a third
// longer, and in a virtual machine now and then twice as long).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <array>
#include <bit>
#include <mutex>

namespace rdrop {

/// Blocks between 512 bytes and a large page, in sizes an eighth of a power of two apart; larger ones are not
/// kept here (large_blocks.h). For any number of threads.
class CachingAllocator {
 public:
  using Allocate = void* (*)(size_t bytes);  ///< on a boundary of 64 bytes; throws when there is none
  using Free = void (*)(void*);
  static constexpr size_t kLargest = size_t(2) << 20;
  static constexpr size_t kMostIdle = size_t(64) << 20;  ///< beyond it all idle blocks are freed

  CachingAllocator(Allocate allocate, Free free) : allocate_(allocate), free_(free) {}
  CachingAllocator(const CachingAllocator&) = delete;
  ~CachingAllocator() { release(); }

  /// At least `bytes`, uninitialized, on a boundary of 64 bytes.
  void* take(size_t bytes) {
    const size_t size = rounded(bytes + kHeader);
    if (size <= kLargest) {
      const std::lock_guard lock(mutex_);
      Header*& first = idle_[place(size)];
      if (Header* header = first) {
        first = header->next;
        idle_bytes_ -= size;
        return reinterpret_cast<char*>(header) + kHeader;
      }
    }
    auto* header = static_cast<Header*>(allocate_(size));
    header->bytes = size;
    return reinterpret_cast<char*>(header) + kHeader;
  }

  /// A block that take() gave.
  void give(void* block) {
    auto* header = reinterpret_cast<Header*>(static_cast<char*>(block) - kHeader);
    if (header->bytes > kLargest) return free_(header);
    const std::lock_guard lock(mutex_);
    Header*& first = idle_[place(header->bytes)];
    header->next = first;
    first = header;
    idle_bytes_ += header->bytes;
    if (idle_bytes_ > kMostIdle) release();
  }

  size_t idle_bytes() {
    const std::lock_guard lock(mutex_);
    return idle_bytes_;
  }

 private:
  struct Header {
    size_t bytes;  // of the block with its header
    Header* next;  // idle, of the same size
  };
  static constexpr size_t kHeader = 64, kLeast = 512;
  static_assert(sizeof(Header) <= kHeader);

  static size_t rounded(size_t bytes) {
    if (bytes <= kLeast) return kLeast;
    const size_t unit = std::bit_floor(bytes) / 8;
    return (bytes + unit - 1) / unit * unit;
  }
  static size_t place(size_t size) {
    const size_t power = size_t(std::bit_width(size)) - 1;
    return (power - kLeastPower) * 8 + (size >> (power - 3)) % 8;
  }
  void release() {
    for (Header*& first : idle_) {
      while (Header* header = first) {
        first = header->next;
        free_(header);
      }
    }
    idle_bytes_ = 0;
  }

  static constexpr size_t kLeastPower = size_t(std::bit_width(kLeast)) - 1,
                          kLargestPower = size_t(std::bit_width(kLargest)) - 1;
  Allocate allocate_;
  Free free_;
  std::mutex mutex_;
  std::array<Header*, (kLargestPower - kLeastPower) * 8 + 1> idle_{};
  size_t idle_bytes_ = 0;
};

}  // namespace rdrop
