// See scratch.h.
#include "core/scratch.h"

#include <ATen/EmptyTensor.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>

#include <cstdint>
#include <memory>

#include "core/caching_allocator.h"
#include "core/errors.h"
#include "core/large_blocks.h"

namespace rdrop {
namespace {

/// On pages of 2 MiB where the system has them for the asking: products walk along columns of their factors, a row and
/// with it a small page a step, and come by more of those than a processor remembers the places of. bytes: whole ones.
void* map_pages(size_t bytes) {
  constexpr size_t page = LargeBlocks::kUnit;
  void* const mapped = mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) fail(ErrorCode::out_of_memory, "could not allocate memory: ", bytes, " bytes of a tensor");
  char* const all = static_cast<char*>(mapped);
  const size_t before = (page - reinterpret_cast<uintptr_t>(all) % page) % page;
  if (before > 0) munmap(all, before);
  munmap(all + before + bytes, page - before);
#ifdef MADV_HUGEPAGE
  madvise(all + before, bytes, MADV_HUGEPAGE);  // a wish: where it is not granted the pages are small ones
#endif
  return all + before;
}
void unmap_pages(void* block, size_t bytes) {
  munmap(block, bytes);
}

static_assert(CachingAllocator::kLargest == LargeBlocks::kUnit);

// Never destroyed: a tensor that JavaScript holds may be the last to go.
LargeBlocks& large_blocks() {
  static LargeBlocks* kept = std::make_unique<LargeBlocks>(map_pages, unmap_pages).release();
  return *kept;
}
void* allocate(size_t bytes) {
  return bytes > CachingAllocator::kLargest ? large_blocks().take(bytes) : c10::alloc_cpu(bytes);
}
void give_back(void* block) {
  if (!large_blocks().give(block)) c10::free_cpu(block);
}
CachingAllocator& memory() {
  static CachingAllocator* kept = std::make_unique<CachingAllocator>(allocate, give_back).release();
  return *kept;
}

class TemporaryAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes == 0 ? nullptr : memory().take(bytes);
    return {data, data, &give, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

 private:
  static void give(void* data) {
    if (data) memory().give(data);
  }
};

/// Of its own for each tensor; the deleter's context is where the length lies, in front of the data.
class LastingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes <= CachingAllocator::kLargest) {
      void* data = c10::alloc_cpu(bytes);
      return {data, data, &c10::free_cpu, c10::Device(c10::DeviceType::CPU)};
    }
    constexpr size_t page = LargeBlocks::kUnit;
    const size_t size = (bytes + kHeader + page - 1) / page * page;
    void* block = map_pages(size);
    *static_cast<size_t*>(block) = size;
    return {static_cast<char*>(block) + kHeader, block, &unmap, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

 private:
  static constexpr size_t kHeader = 64;
  static void unmap(void* block) { unmap_pages(block, *static_cast<const size_t*>(block)); }
};

at::Tensor empty(at::IntArrayRef sizes, at::ScalarType type, c10::Allocator& allocator) {
  return at::detail::empty_generic(sizes, &allocator, c10::DispatchKeySet(c10::DispatchKey::CPU), type, std::nullopt);
}

}  // namespace

at::Tensor scratch(at::IntArrayRef sizes, at::ScalarType type) {
  static TemporaryAllocator allocator;
  return empty(sizes, type, allocator);
}

ScratchUse::ScratchUse() {
  large_blocks().begin_use();
}
ScratchUse::~ScratchUse() {
  large_blocks().end_use();
}

at::Tensor lasting_zeros(int64_t size, at::ScalarType type) {
  static LastingAllocator allocator;
  at::Tensor result = empty({size}, type, allocator);
  return result.zero_();
}

}  // namespace rdrop
