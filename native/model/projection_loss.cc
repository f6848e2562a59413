// Each chunk of positions goes through product, loss and the products back while its logits are still in the cache.
#include "model/projection_loss.h"

#include <algorithm>

#include "device/device.h"
#include "core/errors.h"
#include "model/linear.h"
#include "model/tensors.h"

namespace rdrop {
namespace {

/// Logits of one pass in a chunk. CPU: with both passes in float32 16 MiB, for the last-level cache; fewer rows
/// make slower products (206 rows at 213 GFLOP/s, 768 at 285, V 10,152, AVX-512). Device: 64 MiB in 16 bits,
/// enough rows to fill a large GPU with matrix products.
constexpr int64_t kChunkElements = 1 << 21;
constexpr int64_t kDeviceChunkElements = 1 << 24;
constexpr int64_t kLeastRows = 32;

/// The loss of a chunk whose first position is `first`; the gradient takes the place of the logits.
void chunk_loss(at::Tensor& logits, const at::Tensor& targets, const LossOptions& options, int64_t first,
                LossOutput& output) {
  if (Device* device = current_device()) {
    rdrop_loss_on(*device, logits, targets, options, logits, output.device_sums, first, output.gradient_scale);
    return;
  }
  try {
    output.sums.add(rdrop_loss(logits, targets, options, logits));
  } catch (const Error& error) {
    fail(error.code(), "target positions from ", first, " on: ", error.what());
  }
}

}  // namespace

at::Tensor projection_loss(const at::Tensor& hidden, const Weight& projection, const at::Tensor& targets,
                           const LossOptions& options, LossOutput& output) {
  const at::Tensor& weight = projection.value;
  at::Tensor weight_gradient = projection.gradient;
  const int64_t positions = targets.size(0), width = hidden.size(1), classes = weight.size(0);
  const int64_t elements = current_device() ? kDeviceChunkElements : kChunkElements;
  const int64_t most = std::max(kLeastRows, elements / classes);
  const int64_t chunks = std::max<int64_t>(1, (positions + most - 1) / most);
  const int64_t step = (positions + chunks - 1) / chunks;  // even chunks, none small
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
