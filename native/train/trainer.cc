// The training step.
#include "train/trainer.h"

#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "errors.h"

namespace rdrop {

double learning_rate(const OptimizerOptions& options, int64_t updates) {
  if (!options.inverse_sqrt) return options.learning_rate;
  const double warmup = double(options.warmup_updates), done = double(updates);
  if (updates < options.warmup_updates) {
    const double slope = (options.learning_rate - options.warmup_init_learning_rate) / warmup;
    return options.warmup_init_learning_rate + done * slope;
  }
  return options.learning_rate * std::sqrt(std::max(warmup, 1.0)) / std::sqrt(std::max(done, 1.0));
}

Trainer::Trainer(std::shared_ptr<Transformer> model, const OptimizerOptions& optimizer, const LossOptions& loss)
    : model_(std::move(model)), optimizer_(optimizer), loss_(loss) {
  first_moment_ = at::zeros_like(model_->parameters().flat);
  second_moment_ = at::zeros_like(model_->parameters().flat);
}

StepResult Trainer::step(const std::vector<PackedBatch>& batches) {
  StepResult result{{}, update_ + 1, 0, 0, learning_rate(optimizer_, update_), 0};
  Parameters& parameters = model_->parameters();
  try {
    for (size_t i = 0; i < batches.size(); ++i) {
      result.sums.add(model_->loss_and_gradients(batches[i], loss_, {true, uint64_t(update_), i}));
      result.pairs += batches[i].source.count();
      result.source_tokens += batches[i].source.size();
    }
    const double per_token = 1.0 / double(std::max<int64_t>(1, result.sums.tokens));
    result.gradient_norm = gradient_norm(parameters.gradient) * per_token;
    if (!std::isfinite(result.gradient_norm)) {
      fail("NON_FINITE", "update ", update_ + 1, ": the gradient is not finite (loss ", result.sums.loss,
           "); nothing was changed. Try a lower learning rate, more warm-up updates or clipNorm");
    }
    double scale = per_token;
    if (optimizer_.clip_norm > 0 && result.gradient_norm > optimizer_.clip_norm) {
      scale *= optimizer_.clip_norm / (result.gradient_norm + 1e-6);  // as torch.nn.utils.clip_grad_norm_
    }
    adam(parameters.flat, parameters.gradient, first_moment_, second_moment_, optimizer_.adam, result.learning_rate,
         scale, update_ + 1);
  } catch (...) {
    parameters.gradient.zero_();  // a step that failed leaves nothing behind for the next one
    throw;
  }
  ++update_;
  return result;
}

}  // namespace rdrop
