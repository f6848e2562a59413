// See heap.h.
#include "test/gpu/heap.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

namespace {

/// The map's own memory does not come from operator new.
template <typename T>
struct Malloc {
  using value_type = T;
  Malloc() = default;
  template <typename U>
  Malloc(const Malloc<U>&) {}
  T* allocate(size_t count) { return static_cast<T*>(std::malloc(count * sizeof(T))); }
  void deallocate(T* memory, size_t) { std::free(memory); }
  bool operator==(const Malloc&) const { return true; }
};

struct Heap {
  std::mutex mutex;
  std::map<uintptr_t, size_t, std::less<>, Malloc<std::pair<const uintptr_t, size_t>>> objects;
};

/// Never destroyed: static objects free memory until the very end.
Heap& heap() {
  alignas(Heap) static char place[sizeof(Heap)];
  static Heap* made = ::new (place) Heap;
  return *made;
}

void* allocate(size_t bytes, size_t alignment) {
  const size_t whole = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  void* memory = alignment > alignof(max_align_t) ? std::aligned_alloc(alignment, whole) : std::malloc(whole);
  if (!memory) throw std::bad_alloc();
  Heap& all = heap();
  const std::lock_guard lock(all.mutex);
  all.objects[reinterpret_cast<uintptr_t>(memory)] = bytes;
  return memory;
}

void release(void* memory) {
  if (!memory) return;
  {
    Heap& all = heap();
    const std::lock_guard lock(all.mutex);
    all.objects.erase(reinterpret_cast<uintptr_t>(memory));
  }
  std::free(memory);
}

}  // namespace

void* operator new(size_t bytes) {
  return allocate(bytes, 1);
}
void* operator new(size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, size_t(alignment));
}
void operator delete(void* memory) noexcept {
  release(memory);
}
void operator delete(void* memory, size_t) noexcept {
  release(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  release(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  release(memory);
}

namespace rdrop::test {

HeapObject heap_object(uintptr_t at) {
  Heap& all = heap();
  const std::lock_guard lock(all.mutex);
  auto next = all.objects.upper_bound(at);
  if (next == all.objects.begin()) return {};
  const auto [begin, bytes] = *--next;
  return at < begin + std::max<size_t>(bytes, 1) ? HeapObject{begin, bytes} : HeapObject{};
}

}  // namespace rdrop::test
