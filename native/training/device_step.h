// The training step on a device. Nothing in it waits: losses, norm, schedule, loss scale and the decision to apply a
// step stay in a StepState on the device until somebody reads them. A step is one recorded graph for each bucket of
// shapes and one for the update. P parameters.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device/device_struct.h"
#include "device/recording.h"
#include "distributed/device_group.h"
#include "model/transformer.h"
#include "ops/adam/adam.h"
#include "training/bucket.h"
#include "training/counters.h"
#include "training/device_input.h"
#include "training/gradient_exchange.h"
#include "training/optimizer_options.h"

namespace rdrop {

struct StepControl;
struct StepState;
struct StepWindow;

class DeviceStep {
 public:
  DeviceStep(Transformer& model, const OptimizerOptions& optimizer, const LossOptions& loss,
             const std::optional<Distributed>& distributed);
  ~DeviceStep();

  /// Puts one update from the summed gradients of all batches on the device. all: the batches of all ranks.
  void enqueue(const std::vector<PackedBatch>& batches, int64_t all);

  /// The metrics since the last reading; waits. Throws NON_FINITE when a gradient was not finite: the parameters are
  /// those before that update, and training may continue from there.
  StepWindow read();

  /// Waits.
  TrainerCounters counters();
  /// Forgets the metrics.
  void set_counters(const TrainerCounters& counters);

  at::Tensor& first_moment() { return first_moment_; }
  at::Tensor& second_moment() { return second_moment_; }

  /// Why steps are launched kernel by kernel although graphs were wanted; empty: they are graphs.
  const std::string& graph_fallback_reason() const { return recorder_.fallback_reason(); }
  int64_t graphs() const { return recorder_.graphs(); }
  /// Shapes whose steps are launched kernel by kernel, from their second on.
  int64_t shapes_without_graph() const { return recorder_.plain(); }

 private:
  struct Entry;

  void enqueue_gradients(const std::vector<PackedBatch>& batches);
  void enqueue_update(int64_t all);
  /// Gradient and losses become those of all ranks.
  void exchange(bool none);
  /// By the memory of the host: waits for the device and the network.
  void exchange_by_host(bool none);
  /// From device to device: put on the stream, which waits alone.
  void exchange_by_device(bool none);
  /// What the step control has; waits. Throws RANK_LOST, RANK_FAILED where not all ranks had a part in it.
  StepState read_state();
  /// Leaves nothing of an update that failed half-way behind for the next.
  void forget_update() noexcept;
  /// first: micro-batch of the update, whose gradients replace those of the update before.
  void forward_backward(const StepInput& input, bool first);
  void update();
  Entry& entry_of(const PackedBatch& batch);
  StepControl control() const;

  Transformer& model_;
  Device& device_;
  OptimizerOptions optimizer_;
  LossOptions loss_;
  const std::optional<Distributed>& distributed_;
  int64_t micro_batches_ = 1;         ///< of the last update: fp16's scale window is divided by it
  std::optional<DeviceGroup> ranks_;  ///< where gradients travel from device to device
  at::Tensor wire_;                   ///< bfloat16 [P]: what travels, where that is another type
  DeviceStruct<StepState> state_;
  at::Tensor first_moment_, second_moment_;  // float32 [P]
  Recorder recorder_;
  std::map<Bucket, std::unique_ptr<Entry>> entries_;
  Recording* update_;
  std::optional<AdamRanges> ranges_, trained_;  // what is updated how, and what has a norm; none: all of it, alike
};

}  // namespace rdrop
