// The emulated grid: see emulated/block.h.
#include <algorithm>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "device/emulated/block.h"
#include "device/emulated/stream.h"
#include "core/errors.h"

// Changes from one stack to another: keeps what a function has to keep on the old one and its end in *from, takes it
// from the new one. A system call for each change, as swapcontext makes, would take most of the time.
extern "C" __attribute__((visibility("hidden"))) void rdrop_change_stacks(void** from, void* to);
asm(R"(
.text
.globl rdrop_change_stacks
.hidden rdrop_change_stacks
.type rdrop_change_stacks, @function
rdrop_change_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size rdrop_change_stacks, .-rdrop_change_stacks
)");

namespace rdrop {
namespace {

constexpr size_t kStackBytes = 128 * 1024;
constexpr int kLanes = 32;

uint64_t thread_order = 0;

/// One thread of a block. It may go on when the generation of what it waits for has moved.
struct Fiber {
  void* stack;  // the end of what it has on its stack
  enum class Waits { nothing, warp, block } waits = Waits::nothing;
  uint64_t generation = 0;
  bool ended = false;
};

struct Meeting {
  int expected = 0, arrived = 0;
  uint64_t generation = 0;
};

}  // namespace

/// A block that has started and not ended.
struct EmulatedBlock::Alive {
  int64_t index;
  int left;  // threads that have not ended
  size_t next_turn = 0;
  std::vector<Fiber> fibers;
  std::vector<Meeting> warps;
  Meeting block;
  std::vector<char> shared;
  size_t shared_bytes;
  std::vector<uint64_t> lanes;
  std::vector<void*> brought;                  // by each thread, for `together`
  std::vector<void (*)(void* const*)> wanted;  // the work it came for
  std::vector<EmulatedCopies> copies;
};

namespace {

using Alive = EmulatedBlock::Alive;

/// The launch that runs at the moment; one at a time in a process' engine thread.
struct Running {
  const std::function<void(EmulatedBlock&)>* body;
  int threads;
  int64_t count;
  std::vector<Alive> alive;
  Alive* block = nullptr;  // which has its turn
  int thread = 0;          // of it
  void* scheduler;
  std::vector<int> order;  // of a block's threads
  uint32_t* counters;
  std::exception_ptr failure;
};

thread_local Running* running = nullptr;

/// The counters of the device: one set for all launches, as on a GPU.
std::vector<uint32_t>& device_counters() {
  thread_local std::vector<uint32_t> counters(kCounters);
  return counters;
}

/// Stacks are kept from launch to launch.
char* stack_of(size_t fiber) {
  thread_local std::vector<std::unique_ptr<char[]>> stacks;
  while (stacks.size() <= fiber) stacks.push_back(std::unique_ptr<char[]>(new char[kStackBytes]));
  return stacks[fiber].get();
}

/// Back to the scheduler; returns when the fiber has its next turn.
void pause(Fiber& fiber) {
  rdrop_change_stacks(&fiber.stack, running->scheduler);
}

/// Arrives at a meeting and lets others run until all have.
void meet(Fiber& self, Meeting& meeting, Fiber::Waits kind) {
  self.generation = meeting.generation;
  if (++meeting.arrived == meeting.expected) {
    meeting.arrived = 0;
    ++meeting.generation;
  }
  self.waits = kind;
  pause(self);
}

bool may_run(const Alive& block, int thread) {
  const Fiber& fiber = block.fibers[size_t(thread)];
  if (fiber.ended) return false;
  if (fiber.waits == Fiber::Waits::warp) return block.warps[size_t(thread / kLanes)].generation != fiber.generation;
  if (fiber.waits == Fiber::Waits::block) return block.block.generation != fiber.generation;
  return true;
}

std::vector<int> order_of(int threads) {
  std::vector<int> order(static_cast<size_t>(threads));
  std::iota(order.begin(), order.end(), 0);
  if (thread_order == 1) std::reverse(order.begin(), order.end());
  if (thread_order > 1) std::shuffle(order.begin(), order.end(), std::mt19937_64(thread_order));
  return order;
}

}  // namespace

void EmulatedBlock::run_fiber() {
  Running& r = *running;
  EmulatedBlock block(*r.block, r.thread, r.threads, r.block->index, r.count);
  try {
    (*r.body)(block);
  } catch (...) {
    if (!r.failure) r.failure = std::current_exception();
  }
  Fiber& self = block.alive_->fibers[size_t(block.thread_)];
  self.ended = true;
  --block.alive_->left;
  pause(self);
}

namespace {

/// What a block leaves in shared memory is nothing to count on: the next one finds NaN there.
void start_block(Running& r, size_t slot, int64_t index) {
  Alive& block = r.alive[slot];
  block.index = index;
  block.left = r.threads;
  block.next_turn = 0;
  block.block = Meeting{r.threads, 0, 0};
  block.warps.assign(size_t(r.threads / kLanes), Meeting{kLanes, 0, 0});
  block.fibers.assign(size_t(r.threads), Fiber{});
  block.copies.assign(size_t(r.threads), EmulatedCopies{});
  std::fill(block.shared.begin(), block.shared.end(), char(0xff));
  for (int i = 0; i < r.threads; ++i) {
    // As if run_fiber had been called and had changed stacks at once: six registers, where to continue, and the
    // address of a caller that there is not.
    auto* top = reinterpret_cast<void**>(stack_of(slot * 1024 + size_t(i)) + kStackBytes) - 1;
    *top = nullptr;
    *--top = reinterpret_cast<void*>(&EmulatedBlock::run_fiber);
    for (int k = 0; k < 6; ++k) *--top = nullptr;
    block.fibers[size_t(i)].stack = top;
  }
}

/// Gives up to `most` threads of a block their turn; whether one could run.
bool take_turns(Running& r, Alive& block, size_t most) {
  bool moved = false;
  r.block = &block;
  for (size_t i = 0; i < r.order.size() && most > 0 && block.left > 0; ++i) {
    const int thread = r.order[block.next_turn];
    block.next_turn = block.next_turn + 1 < r.order.size() ? block.next_turn + 1 : 0;
    if (!may_run(block, thread)) continue;
    Fiber& fiber = block.fibers[size_t(thread)];
    fiber.waits = Fiber::Waits::nothing;
    r.thread = thread;
    rdrop_change_stacks(&r.scheduler, fiber.stack);
    moved = true;
    --most;
  }
  return moved;
}

/// Blocks that run at the same time, and the order in which they start. One after another, or several whose threads
/// take turns in an order that the seed varies.
void run_blocks(Running& r) {
  const size_t most = thread_order > 1 ? size_t(2 + thread_order % 3) : 1;
  const bool from_the_end = thread_order % 2 == 1;
  std::mt19937_64 random(thread_order);
  int64_t started = 0;
  const auto start = [&](size_t slot) {
    start_block(r, slot, from_the_end ? r.count - 1 - started : started);
    ++started;
  };
  const size_t slots = size_t(std::min<int64_t>(int64_t(most), r.count));
  for (size_t slot = 0; slot < slots; ++slot) start(slot);
  size_t live = slots, idle = 0;
  for (size_t slot = 0; live > 0; slot = (slot + 1) % slots) {
    Alive& block = r.alive[slot];
    if (block.left == 0) continue;
    const size_t turns = slots == 1 ? size_t(r.threads) : 1 + size_t(random() % uint64_t(r.threads));
    idle = take_turns(r, block, turns) ? 0 : idle + 1;
    if (r.failure) return;
    if (block.left == 0) {
      if (started < r.count) {
        start(slot);
      } else {
        --live;
      }
    } else if (idle > slots) {
      fail(ErrorCode::internal, "emulated grid: ", block.left,
           " threads wait at a barrier that the others never reach");
    }
  }
}

void run_grid(const std::function<void(EmulatedBlock&)>& body, const LaunchShape& shape) {
  Running r{};
  r.body = &body;
  r.threads = shape.threads;
  r.count = shape.blocks;
  r.order = order_of(shape.threads);
  r.alive.resize(4);
  for (Alive& block : r.alive) {
    block.shared.resize(shape.shared_bytes + 16);
    block.shared_bytes = shape.shared_bytes;
    block.brought.resize(size_t(shape.threads));
    block.wanted.resize(size_t(shape.threads));
    block.lanes.resize(2 * size_t(shape.threads));
  }
  std::vector<uint32_t>& counters = device_counters();
  r.counters = counters.data();
  Running* outer = std::exchange(running, &r);
  try {
    run_blocks(r);
  } catch (...) {
    r.failure = std::current_exception();
  }
  running = outer;
  const bool all_zero = std::all_of(counters.begin(), counters.end(), [](uint32_t counter) { return counter == 0; });
  std::fill(counters.begin(), counters.end(), 0);
  if (r.failure) std::rethrow_exception(r.failure);
  if (!all_zero) fail(ErrorCode::internal, "emulated grid: a launch left a counter behind that is not zero");
}

}  // namespace

void EmulatedBlock::barrier() {
  meet(alive_->fibers[size_t(thread_)], alive_->block, Fiber::Waits::block);
}

void EmulatedBlock::warp_barrier() {
  meet(alive_->fibers[size_t(thread_)], alive_->warps[size_t(thread_ / kLanes)], Fiber::Waits::warp);
}

char* EmulatedBlock::shared() {
  char* start = alive_->shared.data();
  return start + (16 - reinterpret_cast<uintptr_t>(start) % 16) % 16;
}

uint32_t* EmulatedBlock::counter(int64_t index) {
  if (index < 0 || index >= kCounters) fail(ErrorCode::internal, "emulated grid: no counter ", index);
  if (running_beside) fail(ErrorCode::internal, "emulated grid: a kernel that counts its blocks ran beside the stream");
  return &running->counters[index];
}

uint64_t EmulatedBlock::exchange(uint64_t bits, int mask) {
  // Two places by turns: who is one exchange ahead writes where nobody reads any more.
  uint64_t* lanes = alive_->lanes.data() + (exchanges_++ % 2) * threads_;
  lanes[thread_] = bits;
  warp_barrier();
  return lanes[thread_ ^ mask];
}

void EmulatedBlock::together(void* mine, void (*work)(void* const*)) {
  const size_t first = size_t(thread_ / kLanes * kLanes);
  Meeting& warp = alive_->warps[first / kLanes];
  alive_->brought[size_t(thread_)] = mine;
  alive_->wanted[size_t(thread_)] = work;
  if (warp.arrived + 1 == warp.expected) {
    const auto* wanted = &alive_->wanted[first];
    if (std::any_of(wanted, wanted + kLanes, [&](auto* other) { return other != work; }))
      fail(ErrorCode::internal, "emulated grid: the lanes of a warp are at different instructions");
    work(&alive_->brought[first]);
  }
  warp_barrier();
}

EmulatedCopies& EmulatedBlock::copies() {
  return alive_->copies[size_t(thread_)];
}

char* EmulatedBlock::shared_at(int offset, int bytes) {
  if (offset < 0 || size_t(offset) + size_t(bytes) > alive_->shared_bytes) {
    fail(ErrorCode::internal, "emulated grid: ", bytes, " bytes at ", offset, " of ", alive_->shared_bytes,
         " bytes of shared memory");
  }
  return shared() + offset;
}

void set_emulated_order(uint64_t seed) {
  thread_order = seed;
}

void emulate(std::function<void(EmulatedBlock&)> body, const LaunchShape& shape, int max_threads, void* stream) {
  if (shape.threads < 1 || shape.threads > max_threads || shape.threads > 1024 || shape.threads % kLanes != 0 ||
      shape.shared_bytes > kMostSharedBytes || shape.blocks < 0 || shape.blocks > 0x7fffffff) {
    fail(ErrorCode::internal, "emulated grid: no chip would start ", shape.blocks, " blocks of ", shape.threads,
         " threads (", max_threads, " at most) with ", shape.shared_bytes, " bytes of shared memory");
  }
  if (shape.blocks == 0) return;
  enqueue(stream, [body = std::move(body), shape] { run_grid(body, shape); });
}

}  // namespace rdrop
