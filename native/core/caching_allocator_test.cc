// Memory of temporaries: blocks are reused, lie apart and on boundaries, and no more of them lie idle than may.
#include "core/caching_allocator.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "test/check.h"

namespace rdrop::test {
namespace {

size_t allocated = 0, freed = 0;  // of the cases that use one thread

void* counted_allocate(size_t bytes) {
  ++allocated;
  return std::aligned_alloc(64, (bytes + 63) / 64 * 64);
}
void counted_free(void* block) {
  ++freed;
  std::free(block);
}

/// Runs the body with a fresh memory; then everything that was allocated must have been freed.
template <typename Body>
void with_memory(const Body& body) {
  allocated = freed = 0;
  {
    CachingAllocator memory(counted_allocate, counted_free);
    body(memory);
  }
  expect(allocated == freed, std::to_string(allocated) + " blocks allocated, " + std::to_string(freed) + " freed");
}

const std::vector<size_t> kSizes{0,
                                 1,
                                 447,
                                 448,
                                 449,
                                 511,
                                 512,
                                 513,
                                 1000,
                                 4096,
                                 5000,
                                 65535,
                                 65536,
                                 100000,
                                 1 << 20,
                                 (2 << 20) - 64,
                                 (2 << 20) - 63,
                                 9 << 20};

const Case reuse{"kept memory: a block comes again for its size and for no larger one", [] {
                   with_memory([](CachingAllocator& memory) {
                     for (const size_t bytes : kSizes) {
                       const bool kept = bytes <= (size_t(2) << 20) - 64;
                       void* first = memory.take(bytes);
                       memory.give(first);
                       const size_t before = allocated;
                       void* again = memory.take(bytes);
                       expect(allocated == before + (kept ? 0 : 1), "of " + std::to_string(bytes) + " bytes");
                       void* second = memory.take(bytes);
                       expect(second != again, "one block given twice");
                       memory.give(again);
                       void* larger = memory.take(bytes + bytes / 4 + 512);
                       expect(larger != again || !kept, "too small a block for its size");
                       memory.give(larger);
                       memory.give(second);
                     }
                   });
                 }};

const Case apart{"kept memory: blocks lie on boundaries of 64 bytes, and none in another", [] {
                   with_memory([](CachingAllocator& memory) {
                     for (int round = 0; round < 3; ++round) {
                       std::vector<unsigned char*> blocks;
                       for (const size_t bytes : kSizes) {
                         blocks.push_back(static_cast<unsigned char*>(memory.take(bytes)));
                         expect(reinterpret_cast<uintptr_t>(blocks.back()) % 64 == 0, "a block off its boundary");
                         std::memset(blocks.back(), int(blocks.size()), bytes);
                       }
                       for (size_t i = 0; i < blocks.size(); ++i) {
                         for (size_t k = 0; k < kSizes[i]; ++k) {
                           if (blocks[i][k] != i + 1) expect(false, "a block was written through another");
                         }
                         memory.give(blocks[i]);
                       }
                     }
                   });
                 }};

const Case bound{"kept memory: no more than 64 MiB lie idle", [] {
                   with_memory([](CachingAllocator& memory) {
                     std::vector<void*> blocks;
                     for (int i = 0; i < 100; ++i) blocks.push_back(memory.take(1 << 20));
                     for (void* block : blocks) {
                       memory.give(block);
                       expect(memory.idle_bytes() <= CachingAllocator::kMostIdle, "more lie idle");
                     }
                     expect(freed > 50, "nothing was given back to the system");
                     expect(memory.idle_bytes() > 0, "and then blocks are kept again");
                   });
                 }};

const Case threads{"kept memory: threads take and give at once", [] {
                     CachingAllocator memory(
                         [](size_t bytes) { return std::aligned_alloc(64, (bytes + 63) / 64 * 64); }, std::free);
                     std::atomic<int> mixed{0};
                     const auto work = [&](unsigned char own) {
                       for (int i = 0; i < 20000; ++i) {
                         const size_t bytes = 100 + size_t(i % 7) * 300;
                         auto* block = static_cast<unsigned char*>(memory.take(bytes));
                         std::memset(block, own, bytes);
                         for (size_t k = 0; k < bytes; k += 50) mixed += block[k] != own;
                         memory.give(block);
                       }
                     };
                     std::vector<std::thread> all;
                     for (unsigned char own = 1; own <= 4; ++own) all.emplace_back(work, own);
                     for (std::thread& one : all) one.join();
                     expect(mixed == 0, "a block was in two hands");
                   }};

}  // namespace
}  // namespace rdrop::test
