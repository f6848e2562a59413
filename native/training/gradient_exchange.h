// The gradient of a rank on its way to the sum over all ranks: buckets of the flat buffer, from its end to its
// beginning, which is the order in which the backward pass finishes them. The first travel while it still runs.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "distributed/group.h"

namespace rdrop {

/// How a trainer takes part in a run over several processes.
struct Distributed {
  std::shared_ptr<Group> group;
  bool bfloat16;  ///< gradients travel in bfloat16, else in their own type
  int64_t bucket_bytes;
  /// Gradients travel from device to device, by the backend nccl; else all travels by the group, in the CPU's memory.
  bool by_device = false;
};

class GradientExchange {
 public:
  /// gradient [P] in the CPU's memory.
  GradientExchange(const Distributed& distributed, const at::Tensor& gradient);

  /// All numbers from this one on are final at this rank. Every rank sends the same buckets in the same order.
  void finished_from(int64_t offset);

  /// The rest, and waits: the gradient is then that of all ranks.
  void finish();

 private:
  struct Bucket {
    at::Tensor own, sent;  ///< the part of the gradient, and what travels: a copy where that has another type
    std::unique_ptr<Pending> pending;
  };

  const Distributed& distributed_;
  at::Tensor gradient_;
  int64_t bucket_;  // numbers in one
  int64_t sent_from_;
  std::vector<Bucket> under_way_;
};

/// What the ranks tell each other of an update besides the gradient: sums over all, but for flags.
struct UpdateShare {
  double pairs = 0, source_tokens = 0, tokens = 0, batches = 0;
  double cross_entropy = 0, nll = 0, kl = 0, loss = 0, weighted_kl = 0,
         counted = 0;  ///< losses and the tokens that they count
  uint32_t flags = 0;  ///< bitwise or
};

/// The shares of all ranks on their way to each.
class ShareExchange {
 public:
  ShareExchange(Group& group, const UpdateShare& share);
  /// Waits. The same bits at every rank.
  UpdateShare of_all();

 private:
  at::Tensor mine_, all_;  // float64 [n], [ranks,n]
  std::unique_ptr<Pending> pending_;
};

}  // namespace rdrop
