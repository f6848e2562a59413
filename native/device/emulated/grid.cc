// The emulated grid: see emulated_block.h.

// The hardened longjmp of some systems takes a change of stacks for an error.
#undef _FORTIFY_SOURCE
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "device/emulated/block.h"
#include "device/emulated/stream.h"
#include "core/errors.h"

namespace rdrop {
namespace {

constexpr size_t kStackBytes = 128 * 1024;
constexpr int kLanes = 32;

uint64_t thread_order = 0;

/// One fiber. `waits` is what it waits for; it may go on when `generation` of that has moved.
struct Fiber {
  ucontext_t context;  // where it starts
  jmp_buf place;       // where it continues
  bool started = false;
  enum class Waits { nothing, warp, block } waits = Waits::nothing;
  uint64_t generation = 0;
  bool ended = false;
};

struct Meeting {
  int expected = 0, arrived = 0;
  uint64_t generation = 0;
};

/// The block that runs at the moment; one at a time in a process' engine thread.
struct Running {
  const std::function<void(EmulatedBlock&)>* body;
  int threads;
  int64_t index, count;
  int current = 0;
  jmp_buf scheduler;
  std::vector<Fiber> fibers;
  std::vector<Meeting> warps;
  Meeting block;
  std::vector<char> shared;
  size_t shared_bytes;
  std::vector<uint64_t> lanes;
  std::vector<void*> brought;                  // by each thread, for `together`
  std::vector<void (*)(void* const*)> wanted;  // the work it came for
  std::vector<EmulatedCopies> copies;
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
char* stack_of(int thread) {
  thread_local std::vector<std::unique_ptr<char[]>> stacks;
  while (int(stacks.size()) <= thread) stacks.push_back(std::make_unique<char[]>(kStackBytes));
  return stacks[thread].get();
}

// Fibers are started by setcontext and change places by longjmp, which, other than swapcontext, needs no system call.

/// Lets a fiber run until it waits or ends.
__attribute__((noinline)) void resume(Running& r, Fiber& fiber) {
  if (_setjmp(r.scheduler) != 0) return;
  if (fiber.started) _longjmp(fiber.place, 1);
  fiber.started = true;
  setcontext(&fiber.context);
}

/// Back to the scheduler; returns when the fiber is resumed.
__attribute__((noinline)) void pause(Running& r, Fiber& fiber) {
  if (_setjmp(fiber.place) == 0) _longjmp(r.scheduler, 1);
}

void fiber_main() {
  Running& r = *running;
  EmulatedBlock block;
  try {
    (*r.body)(block);
  } catch (...) {
    if (!r.failure) r.failure = std::current_exception();
  }
  r.fibers[r.current].ended = true;
  pause(r, r.fibers[r.current]);
}

/// Arrives at a meeting and lets others run until all have.
void meet(Meeting& meeting, Fiber::Waits kind) {
  Running& r = *running;
  Fiber& self = r.fibers[r.current];
  self.generation = meeting.generation;
  if (++meeting.arrived == meeting.expected) {
    meeting.arrived = 0;
    ++meeting.generation;
  }
  self.waits = kind;
  pause(r, self);
}

bool may_run(const Running& r, int thread) {
  const Fiber& fiber = r.fibers[thread];
  if (fiber.ended) return false;
  if (fiber.waits == Fiber::Waits::warp) return r.warps[thread / kLanes].generation != fiber.generation;
  if (fiber.waits == Fiber::Waits::block) return r.block.generation != fiber.generation;
  return true;
}

std::vector<int> order_of(int threads) {
  std::vector<int> order(threads);
  std::iota(order.begin(), order.end(), 0);
  if (thread_order == 1) std::reverse(order.begin(), order.end());
  if (thread_order > 1) std::shuffle(order.begin(), order.end(), std::mt19937_64(thread_order));
  return order;
}

void run_block(Running& r) {
  r.block = Meeting{r.threads, 0, 0};
  r.warps.assign(size_t(r.threads / kLanes), Meeting{kLanes, 0, 0});
  r.fibers = std::vector<Fiber>(size_t(r.threads));
  r.copies = std::vector<EmulatedCopies>(size_t(r.threads));
  // What a block leaves in shared memory is nothing to count on: the next one finds NaN there.
  std::fill(r.shared.begin(), r.shared.end(), char(0xff));
  for (int i = 0; i < r.threads; ++i) {
    getcontext(&r.fibers[i].context);
    r.fibers[i].context.uc_stack.ss_sp = stack_of(i);
    r.fibers[i].context.uc_stack.ss_size = kStackBytes;
    r.fibers[i].context.uc_link = nullptr;
    makecontext(&r.fibers[i].context, fiber_main, 0);
  }
  const std::vector<int> order = order_of(r.threads);
  for (bool moved = true; moved;) {
    moved = false;
    for (const int thread : order) {
      if (!may_run(r, thread)) continue;
      r.current = thread;
      r.fibers[thread].waits = Fiber::Waits::nothing;
      resume(r, r.fibers[thread]);
      moved = true;
    }
    if (r.failure) return;
  }
  const auto left = std::count_if(r.fibers.begin(), r.fibers.end(), [](const Fiber& fiber) { return !fiber.ended; });
  if (left > 0)
    fail(ErrorCode::internal, "emulated grid: ", left, " threads wait at a barrier that the others never reach");
}

void run_grid(const std::function<void(EmulatedBlock&)>& body, const LaunchShape& shape) {
  Running r{};
  r.body = &body;
  r.threads = shape.threads;
  r.count = shape.blocks;
  r.shared.resize(shape.shared_bytes + 16);
  r.shared_bytes = shape.shared_bytes;
  r.lanes.resize(size_t(shape.threads));
  r.brought.resize(size_t(shape.threads));
  r.wanted.resize(size_t(shape.threads));
  std::vector<uint32_t>& counters = device_counters();
  r.counters = counters.data();
  Running* outer = std::exchange(running, &r);
  for (r.index = 0; r.index < r.count && !r.failure; ++r.index) run_block(r);
  running = outer;
  const bool all_zero = std::all_of(counters.begin(), counters.end(), [](uint32_t counter) { return counter == 0; });
  std::fill(counters.begin(), counters.end(), 0);
  if (r.failure) std::rethrow_exception(r.failure);
  if (!all_zero) fail(ErrorCode::internal, "emulated grid: a launch left a counter behind that is not zero");
}

}  // namespace

int EmulatedBlock::thread() const {
  return running->current;
}

int EmulatedBlock::threads() const {
  return running->threads;
}

int64_t EmulatedBlock::index() const {
  return running->index;
}

int64_t EmulatedBlock::count() const {
  return running->count;
}

void EmulatedBlock::barrier() {
  meet(running->block, Fiber::Waits::block);
}

void EmulatedBlock::warp_barrier() {
  meet(running->warps[running->current / kLanes], Fiber::Waits::warp);
}

char* EmulatedBlock::shared() {
  char* start = running->shared.data();
  return start + (16 - reinterpret_cast<uintptr_t>(start) % 16) % 16;
}

uint32_t* EmulatedBlock::counter(int64_t index) {
  if (index < 0 || index >= kCounters) fail(ErrorCode::internal, "emulated grid: no counter ", index);
  if (running_beside) fail(ErrorCode::internal, "emulated grid: a kernel that counts its blocks ran beside the stream");
  return &running->counters[index];
}

uint64_t EmulatedBlock::exchange(uint64_t bits, int mask) {
  const int self = running->current;
  running->lanes[self] = bits;
  warp_barrier();
  const uint64_t other = running->lanes[self / kLanes * kLanes + ((self % kLanes) ^ mask)];
  warp_barrier();
  return other;
}

void EmulatedBlock::together(void* mine, void (*work)(void* const*)) {
  Running& r = *running;
  Meeting& warp = r.warps[r.current / kLanes];
  const int first = r.current / kLanes * kLanes;
  r.brought[r.current] = mine;
  r.wanted[r.current] = work;
  if (warp.arrived + 1 == warp.expected) {
    const auto* wanted = &r.wanted[first];
    if (std::any_of(wanted, wanted + kLanes, [&](auto* other) { return other != work; }))
      fail(ErrorCode::internal, "emulated grid: the lanes of a warp are at different instructions");
    work(&r.brought[first]);
  }
  meet(warp, Fiber::Waits::warp);
}

EmulatedCopies& EmulatedBlock::copies() {
  return running->copies[running->current];
}

char* EmulatedBlock::shared_at(int offset, int bytes) {
  if (offset < 0 || size_t(offset) + size_t(bytes) > running->shared_bytes) {
    fail(ErrorCode::internal, "emulated grid: ", bytes, " bytes at ", offset, " of ", running->shared_bytes,
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
