// W processes that work on one run, as the core knows them; librdrop_distributed.so, which the core opens when a group
// is asked for, has the class behind it (c10d_group.cc). Calls on one group are made by all ranks in the same order.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rdrop {

/// Where the ranks meet: NativeGroupOptions of lib/native/contract.ts.
struct GroupOptions {
  int64_t rank, size;
  std::string address;
  int64_t port;
  bool serve;  ///< whether this rank serves the store
  std::string prefix;
  double timeout;  ///< seconds without a sign of life
  double join;     ///< seconds to come together
  std::string backend;
  std::string library;
};

/// Work of the network under way. Keeps the memory that it works on.
class Pending {
 public:
  virtual ~Pending() = default;
  /// Throws RANK_LOST, RANK_FAILED, DISPOSED.
  virtual void wait() = 0;
};

class Group {
 public:
  virtual ~Group() = default;

  virtual int64_t rank() const = 0;
  virtual int64_t size() const = 0;

  /// Sums a tensor in the CPU's memory over the ranks in place: the same bits at every rank. Begins and does not wait.
  virtual std::unique_ptr<Pending> all_reduce(const at::Tensor& tensor) = 0;

  /// Of tensors [n] in the CPU's memory, n the same everywhere: [size,n], by rank. The second begins and does not wait.
  at::Tensor all_gather(const at::Tensor& tensor);
  virtual std::unique_ptr<Pending> all_gather(const at::Tensor& tensor, const at::Tensor& all) = 0;

  /// Rank 0's numbers take the place of the others' [n]; in the CPU's memory.
  virtual void broadcast(const at::Tensor& tensor) = 0;

  /// Tells the others that this rank ends with an error. Returns when they were told, or cannot be. On any thread.
  virtual void fail(const std::string& message) noexcept = 0;

  /// Calls under way, and those that follow, end with DISPOSED; the others are told that this rank left in peace. On
  /// any thread.
  virtual void leave() noexcept = 0;

  /// Waits until done() holds; it is asked after each wake() and every second or more often, and must be quick. On any
  /// thread. Throws RANK_LOST, RANK_FAILED, DISPOSED.
  virtual void wait(const std::function<bool()>& done) = 0;
  virtual void wake() noexcept = 0;
  /// A connection to a rank broke, so one of them is lost: finds out which and throws.
  virtual void broken(const std::string& reason) = 0;

  /// Seconds that all calls waited so far.
  virtual double waited() const noexcept = 0;

  /// Of the memory that a handle reports to V8.
  int64_t bytes() const { return 0; }
};

/// Over the ranks, added in the order of their numbers.
std::vector<double> sum(Group& group, const std::vector<double>& values);

using Bytes = std::vector<uint8_t>;

/// Of every rank, by rank; lengths may differ.
std::vector<Bytes> gather(Group& group, const Bytes& bytes);

/// Those of rank 0.
Bytes broadcast(Group& group, const Bytes& bytes);

/// Joins a group: waits for all ranks. Throws DISTRIBUTED_UNAVAILABLE, RANK_LOST, INVALID_ARGUMENT.
std::shared_ptr<Group> open_group(const GroupOptions& options);

/// What the library exports as extern "C" rdrop_open_group.
using OpenGroup = Group* (*)(const GroupOptions& options);

}  // namespace rdrop
