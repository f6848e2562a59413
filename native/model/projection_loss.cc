// Each chunk of positions goes through product, loss and the products back while its logits are still in the cache.
#include "model/projection_loss.h"

#include <algorithm>

#include "device/device.h"
#include "core/errors.h"
#include "model/linear.h"
#include "model/tensors.h"

namespace rdrop {
namespace {

/// Logits of one pass in a chunk on the CPU: with two passes in float32 16 MiB, for the last-level cache; fewer rows
/// make slower products (206 rows at 213 GFLOP/s, 768 at 285, V 10,152, AVX-512).
constexpr int64_t kChunkElements = 1 << 21;
constexpr int64_t kLeastRows = 32;

/// Positions of a chunk: even chunks, none small.
int64_t chunk_positions(int64_t positions, int64_t classes, int64_t elements) {
  const int64_t most = std::max(kLeastRows, elements / classes);
  const int64_t chunks = std::max<int64_t>(1, (positions + most - 1) / most);
  return (positions + chunks - 1) / chunks;
}

/// The loss of a chunk whose first position is `first`; the gradient takes the place of the logits.
void chunk_loss(at::Tensor& logits, const at::Tensor& targets, const LossOptions& options, int64_t first,
                LossOutput& output) {
  try {
    output.sums.add(rdrop_loss(logits, targets, options, logits));
  } catch (const Error& error) {
    fail(error.code(), "target positions from ", first, " on: ", error.what());
  }
}

/// The passes of a chunk are matrices of one batch, `positions` rows apart in the hidden states: nothing is copied.
at::Tensor projection_loss_on(Device& device, const at::Tensor& hidden, const Weight& projection,
                              const at::Tensor& targets, const LossOptions& options, LossOutput& output,
                              DeviceGradients& gradients) {
  const at::Tensor& weight = projection.value;
  at::Tensor weight_gradient = projection.gradient;
  const int64_t positions = targets.size(0), width = hidden.size(1), classes = weight.size(0), many = options.passes;
  const int64_t step = chunk_positions(positions, classes, device.logits_at_once());
  const at::Tensor hidden_gradient = new_like(hidden);
  const at::Tensor passes = hidden.view({many, positions, width}), by_passes = hidden_gradient.view(passes.sizes());
  const at::Tensor memory = new_tensor({many * step * classes}, hidden.scalar_type());
  const at::Tensor all_weights = weight.unsqueeze(0).expand({many, classes, width});
  count_positions_on(device, targets, options, output.device_sums);
  for (int64_t first = 0; first < positions; first += step) {
    const int64_t count = std::min(step, positions - first);
    at::Tensor logits = memory.narrow(0, 0, many * count * classes).view({many * count, classes});
    at::Tensor by_pass = logits.view({many, count, classes});
    const at::Tensor chunk = passes.narrow(1, first, count);
    if (count == positions) {  // larger matrices in place of more
      matrix_product(hidden, weight.t(), 0, logits);
    } else {
      matrix_product(chunk, all_weights.transpose(1, 2), 0, by_pass);
    }
    rdrop_loss_on(device, logits, targets.narrow(0, first, count), options, logits, output.device_sums, first,
                  output.gradient_scale);
    if (count == positions) {
      at::Tensor all = hidden_gradient;
      matrix_product(logits.t(), hidden, gradients.weight_of_old(weight_gradient), weight_gradient);
      matrix_product(logits, weight, 0, all);
    } else {
      at::Tensor chunk_gradients = by_passes.narrow(1, first, count);
      for (int64_t pass = 0; pass < many; ++pass) {
        matrix_product(by_pass.select(0, pass).t(), chunk.select(0, pass), gradients.weight_of_old(weight_gradient),
                       weight_gradient);
      }
      matrix_product(by_pass, all_weights, 0, chunk_gradients);
    }
  }
  return hidden_gradient;
}

}  // namespace

at::Tensor projection_loss(const at::Tensor& hidden, const Weight& projection, const at::Tensor& targets,
                           const LossOptions& options, LossOutput& output, DeviceGradients* gradients) {
  if (Device* device = current_device()) {
    return projection_loss_on(*device, hidden, projection, targets, options, output, *gradients);
  }
  const at::Tensor& weight = projection.value;
  at::Tensor weight_gradient = projection.gradient;
  const int64_t positions = targets.size(0), width = hidden.size(1), classes = weight.size(0);
  const int64_t step = chunk_positions(positions, classes, kChunkElements);
  const int64_t passes = options.passes;
  const LossOptions own = options_of_batch(options, targets);
  const at::Tensor hidden_gradient = new_like(hidden);
  const at::Tensor memory = new_tensor({passes * step * classes}, hidden.scalar_type());
  const at::Tensor rows = passes > 1 ? new_tensor({passes * step, width}, hidden.scalar_type()) : at::Tensor();
  // Rows [first, first + count) of a pass.
  const auto of_pass = [&](const at::Tensor& all, int64_t pass, int64_t first, int64_t count) {
    return all.narrow(0, pass * positions + first, count);
  };
  for (int64_t first = 0; first < positions; first += step) {
    const int64_t count = std::min(step, positions - first);
    // One pass lies there as it is wanted.
    at::Tensor chunk = passes > 1 ? rows.narrow(0, 0, passes * count) : of_pass(hidden, 0, first, count);
    for (int64_t pass = 0; passes > 1 && pass < passes; ++pass) {
      copy_tensor(of_pass(hidden, pass, first, count), chunk.narrow(0, pass * count, count));
    }
    at::Tensor logits = memory.narrow(0, 0, passes * count * classes).view({passes * count, classes});
    matrix_product(chunk, weight.t(), 0, logits);
    chunk_loss(logits, targets.narrow(0, first, count), own, first, output);
    matrix_product(logits.t(), chunk, 1, weight_gradient);
    if (passes == 1) chunk = of_pass(hidden_gradient, 0, first, count);
    matrix_product(logits, weight, 0, chunk);
    for (int64_t pass = 0; passes > 1 && pass < passes; ++pass) {
      copy_tensor(chunk.narrow(0, pass * count, count), of_pass(hidden_gradient, pass, first, count));
    }
  }
  return hidden_gradient;
}

}  // namespace rdrop
