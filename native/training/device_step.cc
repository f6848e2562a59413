// See device_step.h.
#include "training/device_step.h"

#include <cstring>
#include <functional>

#include "core/errors.h"
#include "device/device.h"
#include "ops/adam/adam.h"
#include "ops/step_control/step_control_kernel.h"

namespace rdrop {
namespace {

/// Shapes beyond this many are run without a graph; each graph keeps its kernels' arguments.
constexpr size_t kMostGraphs = 512;

/// fairseq's --fp16-scale-window when it is not given: 2^14 divided by the batches of an update.
constexpr int64_t kScaleWindow = 1 << 14;

}  // namespace

/// Work that is run once as it is, so that libraries choose and load their kernels, then recorded and replayed.
struct DeviceStep::Recording {
  int64_t runs = 0;
  std::unique_ptr<Graph> graph;
};

struct DeviceStep::Entry {
  Entry(Device& device, const Bucket& bucket) : input(device, bucket) {}
  DeviceInput input;
  Recording first, following;  ///< of the first micro-batch of an update and of the others
};

DeviceStep::~DeviceStep() = default;

DeviceStep::DeviceStep(Transformer& model, const OptimizerOptions& optimizer, const LossOptions& loss)
    : model_(model),
      device_(*model.device()),
      optimizer_(optimizer),
      loss_(loss),
      state_(device_),
      update_(std::make_unique<Recording>()) {
  const int64_t size = model_.parameters().flat.numel();
  first_moment_ = device_.memory().empty({size}, at::kFloat);
  second_moment_ = device_.memory().empty({size}, at::kFloat);
  device_.memory().zero(first_moment_);
  device_.memory().zero(second_moment_);
  StepState start{};
  start.loss_scale = model_.type() == at::kHalf ? kFirstLossScale : 1;
  start.last_overflow = -1;
  state_.write(start);
}

StepControl DeviceStep::control() const {
  return {state_.address(),
          optimizer_.schedule,
          optimizer_.adam.beta1,
          optimizer_.adam.beta2,
          optimizer_.adam.weight_decay,
          optimizer_.clip_norm,
          model_.type() == at::kHalf,
          std::max<int64_t>(1, kScaleWindow / micro_batches_)};
}

DeviceStep::Entry& DeviceStep::entry_of(const PackedBatch& batch) {
  const Bucket bucket = bucket_of(batch, model_.config().max_positions, device_.row_step());
  auto& entry = entries_[bucket];
  if (!entry) entry = std::make_unique<Entry>(device_, bucket);
  return *entry;
}

int64_t DeviceStep::graphs() const {
  int64_t count = update_->graph ? 1 : 0;
  for (const auto& [bucket, entry] : entries_) {
    for (const Recording* recording : {&entry->first, &entry->following}) count += recording->graph ? 1 : 0;
  }
  return count;
}

void DeviceStep::run(Recording& recording, const std::function<void()>& work) {
  const bool record =
      graph_fallback_reason_.empty() && recording.runs++ > 0 && !recording.graph && graphs() < int64_t(kMostGraphs);
  if (record) {
    try {
      recording.graph = device_.graphs().capture(work);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::cuda_failed) throw;
      graph_fallback_reason_ = error.what();
    }
  }
  if (recording.graph) {
    recording.graph->replay();
  } else {
    work();
  }
}

void DeviceStep::forward_backward(const StepInput& input, bool first) {
  device_.kernels().step.begin(control(), device_.stream());
  StepState* state = state_.address();
  DropoutKey key;
  key.on = true;
  key.update_at = &state->mask;
  LossOutput output;
  output.device_sums = &state->sums;
  if (model_.type() == at::kHalf) output.gradient_scale = &state->loss_scale;
  model_.enqueue_loss_and_gradients(input, loss_, key, output, !first);
}

void DeviceStep::update() {
  Parameters& parameters = model_.parameters();
  StepState* state = state_.address();
  sum_of_squares_on(device_, parameters.gradient, &state->squares);
  device_.kernels().step.finish(control(), device_.stream());
  adam_on(device_, parameters.flat, parameters.gradient, first_moment_, second_moment_, parameters.compute_weights,
          optimizer_.adam, &state->coefficients);
}

void DeviceStep::enqueue(const std::vector<PackedBatch>& batches) {
  const DeviceScope scope(&device_, model_.tf32());
  try {
    enqueue_update(batches);
  } catch (...) {
    forget_update();
    throw;
  }
}

void DeviceStep::forget_update() noexcept {
  try {
    device_.join();
    StepState now = state_.read();
    now.micro_batch = 0;
    state_.write(now);
  } catch (...) {
    // A device that is lost: the next call reports it.
  }
}

void DeviceStep::enqueue_update(const std::vector<PackedBatch>& batches) {
  if (int64_t(batches.size()) != micro_batches_) {
    micro_batches_ = int64_t(batches.size());
    update_ = std::make_unique<Recording>();  // the scale window is baked in
  }
  for (size_t i = 0; i < batches.size(); ++i) {
    Entry& entry = entry_of(batches[i]);
    entry.input.fill(device_, batches[i], int32_t(loss_.ignore_index));
    run(i == 0 ? entry.first : entry.following, [&] { forward_backward(entry.input.input(), i == 0); });
  }
  run(*update_, [&] { update(); });
}

TrainerCounters DeviceStep::counters() {
  const StepState now = state_.read();
  return {now.attempts, now.updates, now.loss_scale, now.last_overflow};
}

void DeviceStep::set_counters(const TrainerCounters& counters) {
  StepState now = state_.read();
  now.attempts = counters.update;
  now.updates = counters.applied;
  now.loss_scale = float(counters.loss_scale);
  now.last_overflow = counters.last_overflow;
  now.failed = 0;
  now.micro_batch = 0;
  now.window = {};
  state_.write(now);
}

StepWindow DeviceStep::read() {
  StepState now = state_.read();
  const StepWindow window = now.window;
  const int64_t failed = now.failed;
  if (failed == 0) now.window = {};
  now.failed = 0;
  state_.write(now);
  if (failed == 0) return window;
  const bool smallest = model_.type() == at::kHalf;
  fail(ErrorCode::non_finite, "update ", failed, ": the gradient is not finite",
       now.fault.kind != fault_none ? ", nor are the logits at target position " + std::to_string(now.fault.position)
                                    : std::string(),
       smallest ? " at the smallest loss scale" : "",
       "; that update and all after it were left out. Try a lower learning rate, more warm-up updates or clipNorm");
}

}  // namespace rdrop
