// See scratch.h.
#include "core/scratch.h"

#include <ATen/EmptyTensor.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <memory>

#include "core/caching_allocator.h"

namespace rdrop {
namespace {

/// Never destroyed: a tensor that JavaScript holds may be the last to go.
CachingAllocator& memory() {
  static CachingAllocator* kept = std::make_unique<CachingAllocator>(c10::alloc_cpu, c10::free_cpu).release();
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
