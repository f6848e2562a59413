// See memory.h.
#include "test/cuda_mock/memory.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "test/cuda_mock/state.h"

namespace cuda_mock {
namespace {

constexpr size_t kPage = 4096;

size_t pages(size_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

// The lower halves of addresses that are given out lie in this range, unless a block is too large for it. Whole numbers
// and floats of 32 bits do not, so that one that stands in a kernel's arguments beside a forgotten upper half of an
// address is not taken for an address.
constexpr uint64_t kLowest = 0x50000000, kHighest = 0xb0000000;

/// Where a block may start, from an offset in an arena on; arenas start on a boundary of 4 GiB.
size_t next_place(size_t offset, size_t bytes) {
  constexpr size_t kWindow = size_t(1) << 32;
  const size_t window = offset / kWindow * kWindow, lower = offset - window;
  if (lower < kLowest) return window + kLowest;
  return lower + bytes < kHighest ? offset : window + kWindow + kLowest;
}

/// The block that holds an address, or the end.
template <class Blocks>
auto block_of(const Blocks& blocks, const void* pointer) {
  const auto* at = static_cast<const char*>(pointer);
  auto next = blocks.upper_bound(at);
  if (next == blocks.begin()) return blocks.end();
  --next;
  return at < next->first + next->second ? next : blocks.end();
}

}  // namespace

Memory& memory() {
  static Memory& instance = *new Memory;  // outlives static objects
  return instance;
}

Memory::Memory() {
  void* arenas = mmap(nullptr, kArenaBytes * kMostDevices + (size_t(1) << 32), PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (arenas == MAP_FAILED) {
    std::perror("cuda_mock: addresses of the devices");
    std::abort();
  }
  constexpr uintptr_t kWindow = uintptr_t(1) << 32;
  arenas_ = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(arenas) + kWindow - 1) / kWindow * kWindow);
}

bool Memory::may_be_address(const void* word) const {
  const uint64_t lower = reinterpret_cast<uintptr_t>(word) & 0xffffffff;
  if (lower < kLowest || lower >= kHighest || place_of(word) != Place::device) return false;
  const int device = device_of(word);
  return static_cast<const char*>(word) < arenas_ + device * kArenaBytes + used_[device];
}

void* Memory::allocate(size_t bytes, int device) {
  if (bytes == 0 || in_use_[device] + bytes > limit) return nullptr;
  const size_t whole = pages(bytes);
  used_[device] = next_place(used_[device], whole);
  char* begin = arenas_ + device * kArenaBytes + used_[device];
  if (used_[device] + whole + kPage > kArenaBytes) return nullptr;
  if (settings().compute) {
    if (mprotect(begin, whole, PROT_READ | PROT_WRITE) != 0) return nullptr;
    std::memset(begin, 0xff, whole);
  } else if (mprotect(begin, whole, PROT_READ | PROT_WRITE) != 0) {
    return nullptr;
  }
  used_[device] += whole + kPage;  // a page that nobody may touch lies between two blocks
  in_use_[device] += bytes;
  if (in_use_[device] > peak_[device]) peak_[device] = in_use_[device];
  blocks_[begin] = bytes;
  return begin;
}

bool Memory::free(void* memory) {
  const auto block = blocks_.find(static_cast<char*>(memory));
  if (block == blocks_.end()) return false;
  const size_t whole = pages(block->second);
  madvise(memory, whole, MADV_DONTNEED);
  mprotect(memory, whole, PROT_NONE);
  in_use_[device_of(memory)] -= block->second;
  blocks_.erase(block);
  return true;
}

Place Memory::place_of(const void* pointer) const {
  const auto* at = static_cast<const char*>(pointer);
  if (at >= arenas_ && at < arenas_ + kArenaBytes * kMostDevices) return Place::device;
  return block_of(pinned_, pointer) == pinned_.end() ? Place::pageable : Place::pinned;
}

int Memory::device_of(const void* pointer) const {
  return int(size_t(static_cast<const char*>(pointer) - arenas_) / kArenaBytes);
}

bool Memory::is_allocated(const void* pointer, size_t bytes) const {
  const auto block = block_of(blocks_, pointer);
  return block != blocks_.end() && static_cast<const char*>(pointer) + bytes <= block->first + block->second;
}

bool Memory::may_run(const Work& work) const {
  for (const Range& range : work.memory) {
    if (range.bytes == 0) continue;
    if (place_of(range.begin) == Place::device ? is_allocated(range.begin, range.bytes)
                                               : block_of(pinned_, range.begin) != pinned_.end()) {
      continue;
    }
    // An empty tensor may start where a block ends.
    if (range.bytes == 1 && is_allocated(static_cast<const char*>(range.begin) - 1)) continue;
    violation("%s %s uses %zu bytes at %p, which are not allocated when it runs", name_of(work.kind), work.name.c_str(),
              range.bytes, range.begin);
    return false;
  }
  return true;
}

}  // namespace cuda_mock
