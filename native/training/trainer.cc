// The training step.
#include "training/trainer.h"

#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "core/errors.h"
#include "ops/step_control/step_window.h"

namespace rdrop {

Trainer::Trainer(std::shared_ptr<Transformer> model, const OptimizerOptions& optimizer, const LossOptions& loss)
    : model_(std::move(model)), optimizer_(optimizer), loss_(loss) {
  if (model_->device()) {
    device_step_ = std::make_unique<DeviceStep>(*model_, optimizer_, loss_);
    return;
  }
  first_moment_ = at::zeros_like(model_->parameters().flat);
  second_moment_ = at::zeros_like(model_->parameters().flat);
}

StepResult Trainer::step(const std::vector<PackedBatch>& batches) {
  StepResult result{update_ + 1, 0, 0, 0, std::nullopt};
  for (const PackedBatch& batch : batches) {
    result.pairs += batch.source.count();
    result.source_tokens += batch.source.size();
    for (const int32_t token : batch.target.tokens) result.tokens += token != loss_.ignore_index;
  }
  model_->changing();
  if (device_step_) {
    device_step_->enqueue(batches);
  } else {
    result.metrics = step_on_cpu(batches);
  }
  ++update_;
  return result;
}

StepMetrics Trainer::step_on_cpu(const std::vector<PackedBatch>& batches) {
  StepMetrics metrics;
  metrics.steps = 1;
  metrics.learning_rate = portable::scheduled_rate(optimizer_.schedule, update_);
  Parameters& parameters = model_->parameters();
  try {
    for (size_t i = 0; i < batches.size(); ++i) {
      metrics.sums.add(model_->loss_and_gradients(batches[i], loss_, {true, uint64_t(update_), i}));
    }
    const double per_token = 1.0 / double(std::max<int64_t>(1, metrics.sums.tokens));
    metrics.gradient_norm = gradient_norm(parameters.gradient) * per_token;
    if (!std::isfinite(metrics.gradient_norm)) {
      fail(ErrorCode::non_finite, "update ", update_ + 1, ": the gradient is not finite (loss ", metrics.sums.loss,
           "); nothing was changed. Try a lower learning rate, more warm-up updates or clipNorm");
    }
    double scale = per_token;
    if (optimizer_.clip_norm > 0 && metrics.gradient_norm > optimizer_.clip_norm) {
      scale *= optimizer_.clip_norm / (metrics.gradient_norm + 1e-6);  // as torch.nn.utils.clip_grad_norm_
    }
    adam(parameters.flat, parameters.gradient, first_moment_, second_moment_, parameters.compute_weights,
         optimizer_.adam, metrics.learning_rate, scale, update_ + 1);
  } catch (...) {
    parameters.gradient.zero_();  // a step that failed leaves nothing behind for the next one
    throw;
  }
  return metrics;
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
  const double loss = window.cross_entropy + (loss_.alpha == 0 ? 0 : loss_.alpha * window.kl);
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
