// See mirrors.h.
#include "test/gpu/mirrors.h"

#include <cuda_runtime.h>
#include <link.h>
#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "core/errors.h"
#include "test/gpu/heap.h"

namespace rdrop {

/// The emulated grid's alone.
void set_emulated_order(uint64_t) {}

namespace test {

bool mirrors_on = false;
int64_t mirrored_launches = 0;

namespace {

/// Of an object on the stack or among the constants, whose size nobody knows: so much from its start on is copied.
constexpr size_t kWindow = 4096;

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) fail(ErrorCode::cuda_failed, what, ": ", cudaGetErrorString(status));
}

struct Extent {
  uintptr_t begin = 0, end = 0;
};

Extent stack_of_this_thread() {
  pthread_attr_t attributes;
  pthread_getattr_np(pthread_self(), &attributes);
  void* lowest = nullptr;
  size_t bytes = 0;
  pthread_attr_getstack(&attributes, &lowest, &bytes);
  pthread_attr_destroy(&attributes);
  return {reinterpret_cast<uintptr_t>(lowest), reinterpret_cast<uintptr_t>(lowest) + bytes};
}

/// The segments of this program in memory: constants and static variables.
const std::vector<Extent>& segments() {
  static const std::vector<Extent> found = [] {
    std::vector<Extent> all;
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* to) {
          for (int i = 0; i < info->dlpi_phnum; ++i) {
            const auto& header = info->dlpi_phdr[i];
            if (header.p_type != PT_LOAD) continue;
            const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
            static_cast<std::vector<Extent>*>(to)->push_back({begin, begin + header.p_memsz});
          }
          return 1;  // the program is the first
        },
        &all);
    return all;
  }();
  return found;
}

/// The memory to copy for a pointer, empty where it does not point to the host's.
Extent extent_of(uintptr_t at) {
  static const Extent stack = stack_of_this_thread();
  if (const auto [begin, bytes] = heap_object(at); begin) return {begin, begin + bytes};
  const auto window = [at](const Extent& within) {
    return Extent{at & ~uintptr_t(15), std::min((at & ~uintptr_t(15)) + kWindow, within.end)};
  };
  if (at >= stack.begin && at < stack.end) return window(stack);
  for (const Extent& segment : segments()) {
    if (at >= segment.begin && at < segment.end) return window(segment);
  }
  return {};
}

/// Memory of the device by its size, kept for the next launch: asking for it takes longer than a kernel.
std::map<size_t, std::vector<char*>>& unused() {
  static std::map<size_t, std::vector<char*>> blocks;
  return blocks;
}

char* borrow(size_t bytes) {
  auto& blocks = unused()[bytes];
  if (!blocks.empty()) {
    char* block = blocks.back();
    blocks.pop_back();
    return block;
  }
  void* block = nullptr;
  check(cudaMalloc(&block, std::max<size_t>(bytes, 1)), "memory for a test");
  return static_cast<char*>(block);
}

}  // namespace

Mirrors::Mirrors(void* arguments, size_t bytes) {
  ++mirrored_launches;
  std::vector<Extent> extents;
  const auto each_word = [&](auto&& visit) {
    for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
      visit(static_cast<char*>(arguments) + at);
    }
  };
  const auto value_of = [](const char* word) {
    uintptr_t value;
    std::memcpy(&value, word, sizeof(value));
    return value;
  };
  each_word([&](char* word) {
    if (const Extent extent = extent_of(value_of(word)); extent.begin) extents.push_back(extent);
  });
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (const Extent& extent : extents) {
    auto* host = reinterpret_cast<char*>(extent.begin);
    // Windows may overlap, and several pointers lead into one object.
    if (!ranges_.empty() && host < ranges_.back().host + std::max<size_t>(ranges_.back().bytes, 1)) {
      Range& last = ranges_.back();
      last.bytes = std::max(last.bytes, size_t(reinterpret_cast<char*>(extent.end) - last.host));
    } else {
      ranges_.push_back({host, size_t(extent.end - extent.begin), nullptr, {}});
    }
  }
  for (Range& range : ranges_) {
    range.device = borrow(range.bytes);
    range.sent.assign(range.host, range.host + range.bytes);
    check(cudaMemcpy(range.device, range.sent.data(), range.bytes, cudaMemcpyHostToDevice), "copy to a mirror");
  }
  each_word([&](char* word) {
    const uintptr_t value = value_of(word);
    for (const Range& range : ranges_) {
      const auto begin = reinterpret_cast<uintptr_t>(range.host);
      if (value < begin || value >= begin + std::max<size_t>(range.bytes, 1)) continue;
      const uintptr_t moved = reinterpret_cast<uintptr_t>(range.device) + (value - begin);
      std::memcpy(word, &moved, sizeof(moved));
      break;
    }
  });
}

void Mirrors::take_back() {
  check(cudaDeviceSynchronize(), "a kernel under test");
  std::vector<char> found;
  for (const Range& range : ranges_) {
    found.resize(range.bytes);
    check(cudaMemcpy(found.data(), range.device, range.bytes, cudaMemcpyDeviceToHost), "copy of a mirror");
    // What the kernel changed and no byte more: constants cannot be written, and a window on the stack holds variables
    // of functions that run meanwhile.
    for (size_t i = 0; i < range.bytes; ++i) {
      if (range.sent[i] != found[i]) range.host[i] = found[i];
    }
  }
}

Mirrors::~Mirrors() {
  for (const Range& range : ranges_) {
    if (range.device) unused()[range.bytes].push_back(range.device);
  }
}

}  // namespace test
}  // namespace rdrop
