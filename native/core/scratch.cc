// See scratch.h.
#include "core/scratch.h"

#include <ATen/EmptyTensor.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>

#include <cstdint>
#include <memory>

#include "core/caching_allocator.h"

namespace rdrop {
namespace {

/// Large blocks on pages of 2 MiB where the system has them for the asking: products walk along columns of their
/// factors, a row and with it a page a step, and come for more pages than the processor remembers the places of.
void* allocate(size_t bytes) {
  void* block = c10::alloc_cpu(bytes);
#ifdef MADV_HUGEPAGE
  if (bytes > CachingAllocator::kLargest) {
    constexpr uintptr_t page = 4096;
    const auto begin = reinterpret_cast<uintptr_t>(block) / page * page;
    const auto end = (reinterpret_cast<uintptr_t>(block) + bytes + page - 1) / page * page;
    // A wish: where it is not granted the pages are small ones.
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  }
#endif
  return block;
}

/// Never destroyed: a tensor that JavaScript holds may be the last to go.
CachingAllocator& memory() {
  static CachingAllocator* kept = std::make_unique<CachingAllocator>(allocate, c10::free_cpu).release();
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

}  // namespace

at::Tensor scratch(at::IntArrayRef sizes, at::ScalarType type) {
  static TemporaryAllocator allocator;
  return at::detail::empty_generic(sizes, &allocator, c10::DispatchKeySet(c10::DispatchKey::CPU), type, std::nullopt);
}

}  // namespace rdrop
