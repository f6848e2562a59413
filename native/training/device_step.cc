// See device_step.h.
#include "training/device_step.h"

#include <algorithm>

#include "core/errors.h"
#include "device/device.h"
#include "ops/adam/adam.h"
#include "ops/adam/adam_coefficients.h"
#include "ops/step_control/step_control_kernel.h"

namespace rdrop {
namespace {

/// Shapes beyond this many are run without a graph; each graph keeps its kernels' arguments.
constexpr int64_t kMostGraphs = 512;

/// fairseq's --fp16-scale-window when it is not given: 2^14 divided by the batches of an update.
constexpr int64_t kScaleWindow = 1 << 14;

/// The ranges that change, as the kernels take them.
std::vector<AdamRange> on_device(const std::vector<UpdateRange>& ranges) {
  std::vector<AdamRange> changing;
  for (const UpdateRange& range : ranges) {
    if (range.rate > 0)
      changing.push_back({range.begin, range.end, float(range.rate), range.decay ? float(range.rate) : 0.0f});
  }
  return changing;
}

}  // namespace

struct DeviceStep::Entry {
  DeviceInput input;
  Recording &first, &following;  ///< of the first micro-batch of an update and of the others
};

DeviceStep::~DeviceStep() = default;

DeviceStep::DeviceStep(Transformer& model, const OptimizerOptions& optimizer, const LossOptions& loss,
                       const std::optional<Distributed>& distributed)
    : model_(model),
      device_(*model.device()),
      optimizer_(optimizer),
      loss_(options_on(device_, loss)),
      distributed_(distributed),
      state_(device_),
      recorder_(device_, kMostGraphs),
      update_(&recorder_.add()) {
  const int64_t size = model_.parameters().flat.numel();
  first_moment_ = device_.memory().empty({size}, at::kFloat);
  second_moment_ = device_.memory().empty({size}, at::kFloat);
  device_.memory().zero(first_moment_);
  device_.memory().zero(second_moment_);
  if (!optimizer_.groups.empty()) {
    const std::vector<UpdateRange> ranges = update_ranges(model_.parameters(), optimizer_.groups);
    ranges_.emplace(device_, on_device(ranges));
    trained_.emplace(device_, on_device(trained_ranges(ranges)));
  }
  StepState start{};
  start.loss_scale = model_.type() == at::kHalf ? kFirstLossScale : 1;
  start.last_overflow = -1;
  start.present = 1;
  state_.write(start);
  if (!distributed_ || !distributed_->by_device) return;
  if (distributed_->bfloat16) wire_ = device_.memory().empty({size}, at::kBFloat16);
  ranks_.emplace(distributed_->group, device_);
}

StepControl DeviceStep::control() const {
  return {state_.address(),
          optimizer_.schedule,
          optimizer_.adam.beta1,
          optimizer_.adam.beta2,
          optimizer_.adam.weight_decay,
          optimizer_.clip_norm,
          model_.type() == at::kHalf,
          std::max<int64_t>(1, kScaleWindow / micro_batches_),
          distributed_ ? distributed_->group->rank() : 0,
          distributed_ ? distributed_->group->size() : 1};
}

DeviceStep::Entry& DeviceStep::entry_of(const PackedBatch& batch) {
  const Bucket bucket = bucket_of(batch, model_.config(), device_.row_step());
  auto& entry = entries_[bucket];
  if (!entry)
    entry = std::make_unique<Entry>(DeviceInput(device_, bucket, model_.config(), loss_.passes), recorder_.add(),
                                    recorder_.add());
  return *entry;
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
  sum_of_squares_on(device_, parameters.gradient, &state->squares, trained_ ? &*trained_ : nullptr);
  device_.kernels().step.finish(control(), device_.stream());
  adam_on(device_, parameters.flat, parameters.gradient, first_moment_, second_moment_, parameters.compute_weights,
          optimizer_.adam, &state->coefficients, ranges_ ? &*ranges_ : nullptr);
}

void DeviceStep::enqueue(const std::vector<PackedBatch>& batches, int64_t all) {
  const DeviceScope scope(&device_, model_.tf32());
  const auto with_room = [&](const std::function<void()>& work) {
    recorder_.with_room([&] {
      try {
        work();
      } catch (...) {
        forget_update();
        throw;
      }
    });
  };
  if (!distributed_) {
    with_room([&] {
      enqueue_gradients(batches);
      enqueue_update(all);
    });
    return;
  }
  // The exchange is made once: what is tried again for want of memory stays on its own side of it.
  with_room([&] { enqueue_gradients(batches); });
  try {
    exchange(batches.empty());
  } catch (...) {
    forget_update();
    throw;
  }
  with_room([&] { enqueue_update(all); });
}

void DeviceStep::forget_update() noexcept {
  try {
    device_.join();
    StepState now = state_.read();
    now.micro_batch = 0;
    now.present = 1;
    state_.write(now);
  } catch (...) {
    // A device that is lost: the next call reports it.
  }
}

void DeviceStep::exchange(bool none) {
  if (none) device_.memory().zero(model_.parameters().gradient);
  return ranks_ ? exchange_by_device(none) : exchange_by_host(none);
}

void DeviceStep::exchange_by_device(bool none) {
  DeviceMemory& memory = device_.memory();
  at::Tensor& gradient = model_.parameters().gradient;
  if (wire_.defined()) {
    memory.copy(gradient, wire_);
    ranks_->all_reduce(wire_);
    memory.copy(wire_, gradient);
  } else {
    ranks_->all_reduce(gradient);
  }
  // Behind the gradient, so that whoever has the sum of `present` has that of the gradient.
  constexpr size_t begin = offsetof(StepState, present), sums = offsetof(StepState, sums);
  constexpr size_t end = sums + offsetof(DeviceLossSums, weighted_kl) + sizeof(double);
  static_assert(end - begin == 6 * sizeof(double));
  if (none) {
    at::Tensor own = state_.bytes(sums, end - sums);
    memory.zero(own);
  }
  at::Tensor numbers = state_.bytes(begin, end - begin).view(at::kDouble);
  ranks_->all_reduce(numbers);
}

void DeviceStep::exchange_by_host(bool none) {
  Parameters& parameters = model_.parameters();
  DeviceMemory& memory = device_.memory();
  const at::Tensor host = memory.download(parameters.gradient);
  GradientExchange gradients(*distributed_, host);
  gradients.finished_from(0);
  StepState now = state_.read();
  if (none) now.sums = {};
  UpdateShare share;
  share.cross_entropy = now.sums.cross_entropy;
  share.nll = now.sums.nll;
  share.kl = now.sums.kl;
  share.weighted_kl = now.sums.weighted_kl;
  share.counted = now.sums.tokens;
  ShareExchange shares(*distributed_->group, share);
  gradients.finish();
  share = shares.of_all();
  now.sums.cross_entropy = share.cross_entropy;
  now.sums.nll = share.nll;
  now.sums.kl = share.kl;
  now.sums.weighted_kl = share.weighted_kl;
  now.sums.tokens = share.counted;
  now.present = double(distributed_->group->size());
  state_.write(now);
  memory.upload(host.const_data_ptr(), host.nbytes(), parameters.gradient);
}

void DeviceStep::enqueue_gradients(const std::vector<PackedBatch>& batches) {
  for (size_t i = 0; i < batches.size(); ++i) {
    Entry& entry = entry_of(batches[i]);
    entry.input.fill(device_, batches[i], int32_t(loss_.ignore_index));
    recorder_.run(i == 0 ? entry.first : entry.following, [&] { forward_backward(entry.input.input(), i == 0); });
  }
}

void DeviceStep::enqueue_update(int64_t all) {
  if (all != micro_batches_) {
    micro_batches_ = all;
    recorder_.remove(*update_);  // the scale window is baked in
    update_ = &recorder_.add();
  }
  recorder_.run(*update_, [&] { update(); });
}

StepState DeviceStep::read_state() {
  const StepState now = state_.read();
  if (ranks_) ranks_->check();
  if (now.incomplete) {
    if (ranks_) ranks_->incomplete();
    fail(ErrorCode::internal, "update ", now.incomplete, " has not the gradients of all ranks");
  }
  return now;
}

TrainerCounters DeviceStep::counters() {
  const StepState now = read_state();
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
  now.present = 1;
  now.incomplete = 0;
  now.window = {};
  state_.write(now);
}

StepWindow DeviceStep::read() {
  StepState now = read_state();
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
