// Liveness of the ranks, by the store where they met. A thread of each rank writes a sign of life there and reads those
// of the others and the note of a failure. Threads that wait for the network wait here, so that a lost rank ends every
// wait.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace rdrop {

struct HeartbeatOptions {
  int64_t rank, size;
  double timeout;     ///< seconds
  bool rank_serves;   ///< whether rank 0 serves the store, or somebody outside does
  std::string place;  ///< of the store, for messages
};

class Heartbeat {
 public:
  /// The store is the heartbeat's alone, for a call on it may block; all ranks have joined there. `served`: the store
  /// that this process may serve, which is kept until the others can do without it.
  Heartbeat(c10::intrusive_ptr<c10d::Store> store, c10::intrusive_ptr<c10d::Store> served,
            const HeartbeatOptions& options);
  ~Heartbeat();

  /// Keys in the store: to be there before a heartbeat begins.
  static void announce(c10d::Store& store, int64_t rank);

  /// Waits until done() holds; it is called under the lock, after each notify(). Throws RANK_LOST, RANK_FAILED,
  /// DISPOSED.
  void wait(const std::function<bool()>& done);
  void notify();
  /// Changes what done() looks at, under the lock, and notifies.
  void change(const std::function<void()>& changes);

  /// A connection to a rank broke, so one of them is lost: finds out which and throws.
  [[noreturn]] void broken(const std::string& reason);

  void fail(const std::string& message) noexcept;
  void leave() noexcept;

 private:
  struct State;
  static void beat(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;  // the thread's as well: one that is stuck in the store is left behind
};

}  // namespace rdrop
