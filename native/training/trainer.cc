// The training step.
#include "training/trainer.h"

#include <algorithm>
#include <cmath>

#include "core/errors.h"
#include "core/scratch.h"
#include "ops/step_control/step_window.h"

namespace rdrop {

Trainer::Trainer(std::shared_ptr<Transformer> model, const OptimizerOptions& optimizer, const LossOptions& loss,
                 std::optional<Distributed> distributed)
    : model_(std::move(model)), optimizer_(optimizer), loss_(loss), distributed_(std::move(distributed)) {
  if (model_->device()) {
    device_step_ = std::make_unique<DeviceStep>(*model_, optimizer_, loss_, distributed_);
    return;
  }
  if (distributed_ && distributed_->by_device) {
    fail(ErrorCode::invalid_argument, "backend: 'nccl' needs a model on CUDA. Next: 'gloo'");
  }
  if (!optimizer_.groups.empty()) {
    ranges_ = update_ranges(model_->parameters(), optimizer_.groups);
    trained_ = trained_ranges(ranges_);
  }
  const at::Tensor& flat = model_->parameters().flat;
  first_moment_ = lasting_zeros(flat.numel(), flat.scalar_type());
  second_moment_ = lasting_zeros(flat.numel(), flat.scalar_type());
}

StepResult Trainer::step(const std::vector<PackedBatch>& batches, uint32_t flags) {
  if (!distributed_) return step_of_all(batches, flags);
  try {
    return step_of_all(batches, flags);
  } catch (const Error& error) {
    // What all ranks saw alike needs no telling; the group knows which rank is lost.
    const bool alone = !of_all_ && error.code() != ErrorCode::rank_lost && error.code() != ErrorCode::rank_failed &&
                       error.code() != ErrorCode::disposed;
    if (alone) distributed_->group->fail(error.what());
    throw;
  } catch (const std::exception& error) {
    distributed_->group->fail(error.what());
    throw;
  }
}

StepResult Trainer::step_of_all(const std::vector<PackedBatch>& batches, uint32_t flags) {
  of_all_ = false;
  if (batches.empty() && !distributed_) fail(ErrorCode::invalid_argument, "expected at least one batch, got none");
  for (const PackedBatch& batch : batches) check_batch(batch, model_->config(), loss_.ignore_index);
  UpdateShare share;
  share.batches = double(batches.size());
  share.flags = flags;
  for (const PackedBatch& batch : batches) {
    share.pairs += double(batch.source.count());
    share.source_tokens += double(batch.source.size());
    share.tokens += double(batch.counted(loss_.ignore_index));
  }
  model_->changing();
  std::optional<StepMetrics> metrics;
  if (device_step_) {
    if (distributed_) share = ShareExchange(*distributed_->group, share).of_all();
    device_step_->enqueue(batches, int64_t(share.batches));
  } else {
    try {
      LossSums sums;
      share = gradients_of_all(batches, share, sums);
      of_all_ = true;
      metrics = update_on_cpu(sums);
    } catch (...) {
      model_->parameters().gradient.zero_();  // a step that failed leaves nothing behind for the next one
      throw;
    }
  }
  ++update_;
  return {update_,     int64_t(share.pairs), int64_t(share.source_tokens), int64_t(share.tokens),
          share.flags, std::move(metrics)};
}

UpdateShare Trainer::gradients_of_all(const std::vector<PackedBatch>& batches, UpdateShare share, LossSums& sums) {
  std::optional<GradientExchange> exchange;
  if (distributed_) exchange.emplace(*distributed_, model_->parameters().gradient);
  const uint64_t rank = distributed_ ? distributed_->group->rank() : 0;
  const uint64_t ranks = distributed_ ? distributed_->group->size() : 1;
  for (size_t i = 0; i < batches.size(); ++i) {
    GradientWatcher watcher;
    if (exchange && i + 1 == batches.size()) watcher = [&](int64_t offset) { exchange->finished_from(offset); };
    sums.add(model_->loss_and_gradients(batches[i], loss_, {true, uint64_t(update_), i * ranks + rank}, watcher));
  }
  if (!exchange) return share;
  share.cross_entropy = sums.cross_entropy;
  share.nll = sums.nll;
  share.kl = sums.kl;
  share.loss = sums.loss;
  share.counted = double(sums.tokens);
  exchange->finished_from(0);
  ShareExchange shares(*distributed_->group, share);
  exchange->finish();
  share = shares.of_all();
  sums = {share.loss, share.cross_entropy, share.nll, share.kl, int64_t(share.counted)};
  return share;
}

StepMetrics Trainer::update_on_cpu(const LossSums& sums) {
  StepMetrics metrics;
  metrics.sums = sums;
  metrics.steps = 1;
  metrics.learning_rate = portable::scheduled_rate(optimizer_.schedule, update_);
  const double per_token = 1.0 / double(std::max<int64_t>(1, metrics.sums.tokens));
  metrics.gradient_norm = std::sqrt(squares_on_cpu()) * per_token;
  if (!std::isfinite(metrics.gradient_norm)) {
    fail(ErrorCode::non_finite, "update ", update_ + 1, ": the gradient is not finite (loss ", metrics.sums.loss,
         "); nothing was changed. Try a lower learning rate, more warm-up updates or clipNorm");
  }
  double scale = per_token;
  if (optimizer_.clip_norm > 0 && metrics.gradient_norm > optimizer_.clip_norm) {
    scale *= optimizer_.clip_norm / (metrics.gradient_norm + 1e-6);  // as torch.nn.utils.clip_grad_norm_
  }
  adam_on_cpu(metrics.learning_rate, scale);
  return metrics;
}

double Trainer::squares_on_cpu() const {
  const at::Tensor& gradient = model_->parameters().gradient;
  if (ranges_.empty()) return sum_of_squares(gradient);
  double total = 0;
  for (const UpdateRange& range : trained_)
    total += sum_of_squares(gradient.narrow(0, range.begin, range.end - range.begin));
  return total;
}

void Trainer::adam_on_cpu(double learning_rate, double gradient_scale) {
  Parameters& all = model_->parameters();
  if (ranges_.empty()) {
    adam(all.flat, all.gradient, first_moment_, second_moment_, all.compute_weights, optimizer_.adam, learning_rate,
         gradient_scale, update_ + 1);
    return;
  }
  for (const UpdateRange& range : ranges_) {
    const auto part = [&](const at::Tensor& buffer) {
      return buffer.defined() ? buffer.narrow(0, range.begin, range.end - range.begin) : buffer;
    };
    at::Tensor parameter = part(all.flat), gradient = part(all.gradient), copy = part(all.compute_weights);
    if (range.rate == 0) {
      gradient.zero_();
      continue;
    }
    at::Tensor first = part(first_moment_), second = part(second_moment_);
    AdamOptions options = optimizer_.adam;
    if (!range.decay) options.weight_decay = 0;
    adam(parameter, gradient, first, second, copy, options, learning_rate * range.rate, gradient_scale, update_ + 1);
  }
}

StepMetrics Trainer::metrics() {
  if (!device_step_) fail(ErrorCode::internal, "metrics: on the CPU every step returns its own");
  StepWindow window;
  try {
    window = device_step_->read();
  } catch (...) {
    update_ = counters().update;
    throw;
  }
  const double loss = window.cross_entropy + (loss_.alpha == 0 ? 0 : loss_.alpha * window.weighted_kl);
  return {{loss, window.cross_entropy, window.nll, window.kl, int64_t(window.tokens)},
          window.gradient_norm,
          window.learning_rate,
          window.steps,
          window.skipped,
          counters().loss_scale,
          device_step_->graphs(),
          device_step_->shapes_without_graph(),
          device_step_->graph_fallback_reason()};
}

TrainerCounters Trainer::counters() {
  if (!device_step_) return {update_, update_, 1, -1};
  return device_step_->counters();
}

void Trainer::set_counters(const TrainerCounters& counters) {
  update_ = counters.update;
  if (device_step_) device_step_->set_counters(counters);
}

}  // namespace rdrop
