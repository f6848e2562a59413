// Each chunk of positions goes through product, loss and the products back while its logits are still in the cache.
#include "model/projection_loss.h"

#include <algorithm>

#include "device/device.h"
#include "core/errors.h"
#include "model/linear.h"
#include "model/tensors.h"

namespace rdrop {
namespace {

/// Logits of one pass in a chunk on the CPU: with both passes in float32 16 MiB, for the last-level cache; fewer rows
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

/// Both passes of a chunk are two matrices of one batch, `positions` rows apart in the hidden states: nothing is
/// copied.
at::Tensor projection_loss_on(Device& device, const at::Tensor& hidden, const Weight& projection,
                              const at::Tensor& targets, const LossOptions& options, LossOutput& output,
                              DeviceGradients& gradients) {
  const at::Tensor& weight = projection.value;
  at::Tensor weight_gradient = projection.gradient;
  const int64_t positions = targets.size(0), width = hidden.size(1), classes = weight.size(0);
  const int64_t step = chunk_positions(positions, classes, device.logits_at_once());
  const at::Tensor hidden_gradient = new_like(hidden);
  const at::Tensor passes = hidden.view({2, positions, width}), by_passes = hidden_gradient.view(passes.sizes());
  const at::Tensor memory = new_tensor({2 * step * classes}, hidden.scalar_type());
  const at::Tensor both_weights = weight.unsqueeze(0).expand({2, classes, width});
  for (int64_t first = 0; first < positions; first += step) {
    const int64_t count = std::min(step, positions - first);
    at::Tensor logits = memory.narrow(0, 0, 2 * count * classes).view({2 * count, classes});
    at::Tensor by_pass = logits.view({2, count, classes});
    const at::Tensor chunk = passes.narrow(1, first, count);
    if (count == positions) {  // larger matrices in place of more
      matrix_product(hidden, weight.t(), 0, logits);
    } else {
      matrix_product(chunk, both_weights.transpose(1, 2), 0, by_pass);
    }
    rdrop_loss_on(device, logits, targets.narrow(0, first, count), options, logits, output.device_sums, first,
                  output.gradient_scale);
    if (count == positions) {
      at::Tensor all = hidden_gradient;
      matrix_product(logits.t(), hidden, gradients.weight_of_old(weight_gradient), weight_gradient);
      matrix_product(logits, weight, 0, all);
    } else {
      at::Tensor chunk_gradients = by_passes.narrow(1, first, count);
      for (int64_t pass = 0; pass < 2; ++pass) {
        matrix_product(by_pass.select(0, pass).t(), chunk.select(0, pass), gradients.weight_of_old(weight_gradient),
                       weight_gradient);
      }
      matrix_product(by_pass, both_weights, 0, chunk_gradients);
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
  const at::Tensor hidden_gradient = new_like(hidden);
  const at::Tensor memory = new_tensor({2 * step * classes}, hidden.scalar_type());
  const at::Tensor rows = new_tensor({2 * step, width}, hidden.scalar_type());
  for (int64_t first = 0; first < positions; first += step) {
    const int64_t count = std::min(step, positions - first);
    at::Tensor both = rows.narrow(0, 0, 2 * count);
    copy_tensor(hidden.narrow(0, first, count), both.narrow(0, 0, count));
    copy_tensor(hidden.narrow(0, positions + first, count), both.narrow(0, count, count));
    at::Tensor logits = memory.narrow(0, 0, 2 * count * classes).view({2 * count, classes});
    matrix_product(both, weight.t(), 0, logits);
    chunk_loss(logits, targets.narrow(0, first, count), options, first, output);
    matrix_product(logits.t(), both, 1, weight_gradient);
    matrix_product(logits, weight, 0, both);
    copy_tensor(both.narrow(0, 0, count), hidden_gradient.narrow(0, first, count));
    copy_tensor(both.narrow(0, count, count), hidden_gradient.narrow(0, positions + first, count));
  }
  return hidden_gradient;
}

}  // namespace rdrop
