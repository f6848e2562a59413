// Each chunk of positions goes through product, loss and the products back while its logits are still in the cache.
#include "model/projection_loss.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>

#include "errors.h"
#include "model/tape.h"

namespace rdrop {
namespace {

/// Logits of one pass in a chunk: with both passes in float32 8 MiB, which a last-level cache holds.
constexpr int64_t kChunkElements = 1 << 20;
constexpr int64_t kLeastRows = 32;

struct LossSaved : torch::CustomClassHolder {
  Weight projection;
  at::Tensor hidden_gradient;  // [2N,D]
};

/// The loss of a chunk, whose rows an error counts from the chunk's first.
LossSums chunk_loss(at::Tensor& logits, const at::Tensor& targets, const LossOptions& options, int64_t first) {
  try {
    return rdrop_loss(logits, targets, options, logits);
  } catch (const Error& error) {
    fail(error.code(), "target positions from ", first, " on: ", error.what());
  }
}

struct ProjectionLossFunction : Function<ProjectionLossFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& hidden, const at::Tensor& targets,
                            const LossOptions& options, LossSums* sums, Holder<LossSaved> saved) {
    keep(context, saved);
    const at::Tensor& weight = saved->projection.value;
    at::Tensor weight_gradient = saved->projection.gradient;
    const int64_t positions = targets.size(0), width = hidden.size(1), classes = weight.size(0);
    const int64_t step = std::min(positions, std::max(kLeastRows, kChunkElements / classes));
    saved->hidden_gradient = at::empty_like(hidden);
    const at::Tensor memory = at::empty({2 * step * classes}, hidden.options());
    const at::Tensor rows = at::empty({2 * step, width}, hidden.options());
    *sums = LossSums{};
    for (int64_t first = 0; first < positions; first += step) {
      const int64_t count = std::min(step, positions - first);
      at::Tensor both = rows.narrow(0, 0, 2 * count);
      both.narrow(0, 0, count).copy_(hidden.narrow(0, first, count));
      both.narrow(0, count, count).copy_(hidden.narrow(0, positions + first, count));
      at::Tensor logits = memory.narrow(0, 0, 2 * count * classes).view({2 * count, classes});
      at::mm_out(logits, both, weight.t());
      sums->add(chunk_loss(logits, targets.narrow(0, first, count), options, first));
      at::addmm_out(weight_gradient, weight_gradient, logits.t(), both);
      at::mm_out(both, logits, weight);
      saved->hidden_gradient.narrow(0, first, count).copy_(both.narrow(0, 0, count));
      saved->hidden_gradient.narrow(0, positions + first, count).copy_(both.narrow(0, count, count));
    }
    return at::scalar_tensor(sums->loss, hidden.options());
  }
  static variable_list backward(AutogradContext* context, variable_list) {
    auto saved = take<LossSaved>(context);
    return {saved->hidden_gradient, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor projection_loss(const at::Tensor& hidden, const Weight& projection, const at::Tensor& targets,
                           const LossOptions& options, LossSums& sums) {
  auto saved = c10::make_intrusive<LossSaved>();
  saved->projection = projection;
  return ProjectionLossFunction::apply(hidden, targets, options, &sums, saved);
}

}  // namespace rdrop
