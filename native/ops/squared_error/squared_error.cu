// The squared error on a device: one block, for a batch has few sequences.
#include "device/launch.h"
#include "device/reduce.h"
#include "ops/squared_error/squared_error_kernel.h"

namespace rdrop {
namespace {

using namespace portable;

constexpr int kThreads = 256;
/// More than there are kinds of faults.
constexpr int64_t kKinds = 8;

/// Shared memory: [warps] of double.
template <typename T>
struct LossKernel {
  static constexpr int max_threads = kThreads;
  SquaredErrorOnDevice<T> a;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    double* const scratch = reinterpret_cast<double*>(block.shared());
    const auto total = [&](double value) { return block_reduce(block, value, Plus{}, scratch); };
    double present = 0;
    for (int64_t n = block.thread(); n < a.sequences; n += block.threads()) present += a.values[n] == a.values[n];
    present = total(present);
    const double factor = a.alpha_by_sequences ? present : 1, alpha = a.alpha * factor;
    const double scale = a.gradient_scale ? *a.gradient_scale : 1;
    double error = 0, difference = 0, faults = 0;
    // Position and kind in one number, negative, so that that of the smallest position is the largest.
    double first = -__builtin_inf();
    for (int64_t n = block.thread(); n < a.sequences; n += block.threads()) {
      const SquaredErrorRow row = row_of(n, alpha);
      write(n, row, scale);
      if (row.fault == fault_none) {
        error += row.error, difference += row.difference;
      } else {
        faults += 1;
        first = Larger{}(first, -double(n * kKinds + row.fault));
      }
    }
    error = total(error), difference = total(difference), faults = total(faults);
    first = -block_reduce(block, first, Larger{}, scratch);
    if (block.thread() == 0) add(error, difference, present - faults, factor, faults, first);
  }

 private:
  /// All zero for padding. Where the gradient takes the place of the predictions, asked before write().
  RDROP_INLINE SquaredErrorRow row_of(int64_t n, double alpha) const {
    if (a.values[n] != a.values[n]) return {0, 0, 0, 0, fault_none};
    return squared_error_row(double(to_float(a.predictions1[n])),
                             a.predictions2 ? double(to_float(a.predictions2[n])) : 0, a.values[n],
                             a.predictions2 != nullptr, a.pass_weight, alpha);
  }

  RDROP_INLINE void write(int64_t n, const SquaredErrorRow& row, double scale) const {
    const bool bad = row.fault != fault_none;
    if (a.gradient1) assign(a.gradient1[n], bad ? __builtin_nanf("") : float(row.gradient1 * scale));
    if (a.gradient2) assign(a.gradient2[n], bad ? __builtin_nanf("") : float(row.gradient2 * scale));
  }

  RDROP_INLINE void add(double error, double difference, double counted, double factor, double faults,
                        double first) const {
    DeviceLossSums& sums = *a.sums;
    sums.cross_entropy += error;
    sums.nll += error;
    sums.kl += difference;
    sums.weighted_kl += difference * factor;
    sums.tokens += counted;
    sums.faults += int64_t(faults);
    if (!(faults > 0)) return;
    const int64_t position = a.first_position + int64_t(first) / kKinds;
    if (sums.first.kind != fault_none && position >= sums.first.position) return;
    sums.first = {position, LossFault(int64_t(first) % kKinds)};
  }
};

template <typename T>
void loss(const SquaredErrorOnDevice<T>& arguments, void* stream) {
  launch(LossKernel<T>{arguments}, {1, kThreads, kThreads / 32 * sizeof(double)}, stream);
}

}  // namespace

template <typename T>
const SquaredErrorLaunchers<T>& squared_error_launchers() {
  static constexpr SquaredErrorLaunchers<T> table = {loss<T>};
  return table;
}
template const SquaredErrorLaunchers<float>& squared_error_launchers<float>();
template const SquaredErrorLaunchers<Bfloat16>& squared_error_launchers<Bfloat16>();
template const SquaredErrorLaunchers<Half>& squared_error_launchers<Half>();

}  // namespace rdrop
