// Memory of large tensors: blocks are reused, and all of them are never more than were in use at once.
#include "core/large_blocks.h"

#include <cstdlib>
#include <new>
#include <string>

#include "test/check.h"

namespace rdrop::test {
namespace {

constexpr size_t kPage = LargeBlocks::kUnit;
size_t mapped = 0, allocations = 0, available = 0;  // pages

void* allocate(size_t bytes) {
  if (bytes % kPage != 0) expect(false, "a block of part of a page");
  if (mapped + bytes / kPage > available) throw std::bad_alloc();
  mapped += bytes / kPage;
  ++allocations;
  return std::malloc(16);
}
void give_back(void* block, size_t bytes) {
  mapped -= bytes / kPage;
  std::free(block);
}

template <typename Body>
void with_blocks(const Body& body) {
  mapped = allocations = 0, available = 1000;
  {
    LargeBlocks blocks(allocate, give_back);
    blocks.begin_use();
    body(blocks);
    blocks.end_use();
  }
  expect(mapped == 0, std::to_string(mapped) + " pages were not freed");
}

const Case reuse{"large blocks: come again for their size and for somewhat less", [] {
                   with_blocks([](LargeBlocks& blocks) {
                     void* first = blocks.take(9 * kPage);
                     expect(blocks.give(first), "a block of its own");
                     expect(!blocks.give(first), "a block was given twice");
                     for (const size_t bytes : {9 * kPage, 8 * kPage + 1, 6 * kPage}) {
                       void* again = blocks.take(bytes);
                       expect(again == first && allocations == 1, "of " + std::to_string(bytes) + " bytes");
                       void* second = blocks.take(bytes);
                       expect(second != again, "one block in two hands");
                       blocks.give(second);
                       blocks.end_use(), blocks.begin_use();
                       blocks.give(again);
                       allocations = 1;
                     }
                     blocks.give(blocks.take(5 * kPage));
                     expect(allocations == 2, "much too large a block");
                   });
                 }};

const Case bound{"large blocks: idle ones make no peak higher", [] {
                   with_blocks([](LargeBlocks& blocks) {
                     void* a = blocks.take(10 * kPage);
                     void* b = blocks.take(20 * kPage);
                     blocks.give(a);
                     blocks.give(b);
                     expect(blocks.idle_bytes() == 30 * kPage, "both are kept");
                     // For none of them is there a block; each takes the place of one.
                     void* c = blocks.take(3 * kPage);
                     expect(mapped <= 30, std::to_string(mapped) + " pages where 30 were in use");
                     void* d = blocks.take(25 * kPage);
                     expect(mapped <= 30, std::to_string(mapped) + " pages where 30 were in use");
                     blocks.give(c);
                     blocks.give(d);
                     blocks.end_use(), blocks.begin_use();
                     expect(mapped == 0, "idle blocks were not given back");
                   });
                 }};

const Case none{"large blocks: where there is no memory idle ones make room", [] {
                  with_blocks([](LargeBlocks& blocks) {
                    void* a = blocks.take(30 * kPage);
                    void* b = blocks.take(20 * kPage);
                    blocks.give(a);
                    blocks.give(b);
                    blocks.give(blocks.take(12 * kPage));
                    available = 35;  // of which 32 lie idle in blocks that are too large
                    blocks.give(blocks.take(7 * kPage));
                    expect(mapped == 7, std::to_string(mapped) + " pages instead of 7");
                    available = 5;
                    bool thrown = false;
                    try {
                      blocks.take(100 * kPage);
                    } catch (const std::bad_alloc&) {
                      thrown = true;
                    }
                    expect(thrown && mapped == 0, "expected no memory, and none kept");
                  });
                }};

const Case use{"large blocks: without a user none is kept", [] {
                 with_blocks([](LargeBlocks& blocks) {
                   void* late = blocks.take(10 * kPage);
                   blocks.begin_use();
                   blocks.give(blocks.take(5 * kPage));
                   blocks.end_use();
                   expect(mapped == 10, "a user went, and what lay idle stayed");
                   blocks.give(blocks.take(5 * kPage));
                   expect(mapped == 15, "kept for the user that is left");
                   blocks.end_use();
                   expect(mapped == 10, "the last user went, and what lay idle stayed");
                   blocks.give(late);
                   expect(mapped == 0, "a block that outlived the users was kept");
                   blocks.begin_use();  // ended by with_blocks()
                 });
               }};

}  // namespace
}  // namespace rdrop::test
