// A block of threads without a GPU: every thread is a fiber with a stack of its own; fibers change places at barriers
// and shuffles. The threads of a block get their turns in an order that the tests vary, and so do the blocks of a grid:
// one after another or several at a time. A body that lacks a barrier gives other results in another order. What a chip
// would refuse is refused here as well.
#pragma once

#include <functional>
#include <type_traits>
#include <typeinfo>

#include "device/emulated/matrix_unit.h"
#include "device/emulated/runners.h"
#include "device/launch.h"
#include "core/host_device.h"

namespace rdrop {

/// The running block, as one of its fibers sees it (grid.cc).
class EmulatedBlock : public EmulatedMatrixUnit {
 public:
  struct Alive;
  EmulatedBlock(Alive& alive, int thread, int threads, int64_t index, int64_t count)
      : alive_(&alive), thread_(thread), threads_(threads), index_(index), count_(count) {}

  int thread() const { return thread_; }
  int threads() const { return threads_; }
  int64_t index() const { return index_; }
  int64_t count() const { return count_; }
  void barrier();
  void warp_barrier();
  template <typename T>
  T shuffle_xor(T value, int mask) {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
    uint64_t bits = 0, other = 0;
    __builtin_memcpy(&bits, &value, sizeof(T));
    other = exchange(bits, mask);
    __builtin_memcpy(&value, &other, sizeof(T));
    return value;
  }
  char* shared();
  uint32_t ticket(uint32_t* counter) { return (*counter)++; }
  uint32_t* counter(int64_t index);

  /// For instructions of a whole warp: once every lane of the warp is here, `work` runs once, with what each of them
  /// brought; then all continue.
  void together(void* mine, void (*work)(void* const* of_lanes));
  /// The asynchronous copies of this thread.
  EmulatedCopies& copies();
  /// A place in shared memory. Throws where `bytes` bytes from there on are not the block's.
  char* shared_at(int offset, int bytes);

  /// What a fiber does, from its first turn on.
  static void run_fiber();

 private:
  uint64_t exchange(uint64_t bits, int mask);

  Alive* alive_;
  int thread_, threads_;
  int exchanges_ = 0;
  int64_t index_, count_;
};

/// Runs body once per thread of every block; or, while a stream records, keeps it to be run by every replay.
void emulate(std::function<void(EmulatedBlock&)> body, const LaunchShape& shape, int max_threads, void* stream);

/// The order in which threads and blocks get their turns: 0 ascending, 1 descending, each block after the other;
/// others: the threads of two to four blocks shuffled.
void set_emulated_order(uint64_t seed);

/// Enters the body of a kernel that is launched somewhere in runners.h.
template <class Kernel>
struct EnteredRunner {
  static void run(const void* kernel, int64_t blocks, int threads, size_t shared_bytes) {
    emulate([at = static_cast<const Kernel*>(kernel)](EmulatedBlock& block) { (*at)(block); },
            {blocks, threads, shared_bytes}, Kernel::max_threads, nullptr);
  }
  inline static const bool done =
      add_emulated_runner(__BASE_FILE__, typeid(Kernel).name(), {sizeof(Kernel), Kernel::max_threads, run});
};

template <class Kernel>
void launch(const Kernel& kernel, const LaunchShape& shape, void* stream) {
  (void)EnteredRunner<Kernel>::done;
  emulate([kernel](EmulatedBlock& block) { kernel(block); }, shape, Kernel::max_threads, stream);
}

}  // namespace rdrop
