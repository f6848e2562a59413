// The emulated grid itself: what the orders of threads and blocks bring to light.
#include <vector>

#include "device/launch.h"
#include "test/check.h"

namespace rdrop::test {
namespace {

/// Every block adds one to a number in two steps, as no kernel may: between them another block may do the same.
struct LostUpdate {
  static constexpr int max_threads = 32;
  int* number;

  template <class Block>
  void operator()(Block& block) const {
    const int before = *number;
    block.barrier();
    if (block.thread() == 0) *number = before + 1;
  }
};

int counted(uint64_t order, int64_t blocks) {
  int number = 0;
  set_emulated_order(order);
  launch(LostUpdate{&number}, {blocks, 32}, nullptr);
  set_emulated_order(0);
  return number;
}

const Case blocks_take_turns("emulated grid: blocks run one after another, or several at a time", [] {
  expect(counted(0, 40) == 40 && counted(1, 40) == 40,
         "blocks that run one after another see what the ones before did");
  for (const uint64_t order : {5, 6, 7}) {
    expect(counted(order, 40) < 40, "order " + std::to_string(order) + ": no block ran beside another");
  }
});

}  // namespace
}  // namespace rdrop::test
