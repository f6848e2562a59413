// fairseq's Adam on a device, and the sum of squares of a gradient: one launch each, four elements at a time. P
// elements.
#include "device/grid_sum.h"
#include "device/launch.h"
#include "device/reduce.h"
#include "ops/adam/adam_coefficients.h"
#include "ops/adam/adam_kernel.h"
#include "core/dropout_block.h"

namespace rdrop {
namespace {

using namespace portable;

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * 32;

/// Elements from i on, at most four and none from `end` on. aligned: i is on their boundary.
template <typename T>
RDROP_INLINE void step_four(const AdamOnDevice<T>& a, const AdamConstants<float>& constants, int64_t i, int64_t end,
                            bool aligned) {
  const int count = end - i < 4 ? int(end - i) : 4;
  const bool whole = count == 4 && aligned;
  float p[4], g[4], m[4], v[4];
  load_four(a.parameter + i, whole, count, p);
  load_four(a.gradient + i, whole, count, g);
  load_four(a.first_moment + i, whole, count, m);
  load_four(a.second_moment + i, whole, count, v);
  RDROP_UNROLL
  for (int k = 0; k < 4; ++k) adam_element(constants, p[k], g[k], m[k], v[k]);
  store_four(a.parameter + i, whole, count, p);
  store_four(a.first_moment + i, whole, count, m);
  store_four(a.second_moment + i, whole, count, v);
  if (a.copy) store_four(a.copy + i, whole, count, p);
}

template <typename T>
struct StepKernel {
  static constexpr int max_threads = kThreads;
  AdamOnDevice<T> a;
  float one_minus_beta1, one_minus_beta2;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const AdamCoefficients now = *a.coefficients;
    const AdamConstants<float> constants{now.gradient_scale, float(a.beta1),   float(a.beta2), one_minus_beta1,
                                         one_minus_beta2,    float(a.epsilon), now.decay,      now.step_size};
    if (!now.apply) return;
    const int64_t stride = 4 * block.count() * kThreads;
    for (int64_t i = 4 * (block.index() * kThreads + block.thread()); i < a.size; i += stride)
      step_four(a, constants, i, a.size, true);
  }
};

/// The same for the ranges alone, whose blocks take whole ones.
template <typename T>
struct RangesKernel {
  static constexpr int max_threads = kThreads;
  AdamOnDevice<T> a;
  float one_minus_beta1, one_minus_beta2;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const AdamCoefficients now = *a.coefficients;
    if (!now.apply) return;
    for (int64_t r = block.index(); r < a.range_count; r += block.count()) {
      const AdamRange range = a.ranges[r];
      const AdamConstants<float> constants{
          now.gradient_scale, float(a.beta1),   float(a.beta2),          one_minus_beta1,
          one_minus_beta2,    float(a.epsilon), now.decay * range.decay, now.step_size * range.rate};
      const bool aligned = range.begin % 4 == 0;
      for (int64_t i = range.begin + 4 * block.thread(); i < range.end; i += 4 * kThreads)
        step_four(a, constants, i, range.end, aligned);
    }
  }
};

/// Four squares are summed in float before they join the double: chips for games have few units for doubles. That costs
/// at most 3 roundings of 2^-24 relatively; a square beyond float's range makes the sum infinite, as an overflown
/// gradient does. Shared memory: [kWarps] doubles, then a word.
struct SquaresKernel {
  static constexpr int max_threads = kThreads;
  SumOfSquares a;

  RDROP_INLINE double squares_of_four(int64_t i, int64_t end, bool aligned) const {
    const int count = end - i < 4 ? int(end - i) : 4;
    float g[4];
    load_four(a.gradient + i, count == 4 && aligned, count, g);
    return double((g[0] * g[0] + g[1] * g[1]) + (g[2] * g[2] + g[3] * g[3]));
  }

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    double* scratch = reinterpret_cast<double*>(block.shared());
    double sum = 0;
    if (a.ranges) {
      for (int64_t r = block.index(); r < a.range_count; r += block.count()) {
        const AdamRange range = a.ranges[r];
        const bool aligned = range.begin % 4 == 0;
        for (int64_t i = range.begin + 4 * block.thread(); i < range.end; i += 4 * kThreads)
          sum += squares_of_four(i, range.end, aligned);
      }
    } else {
      const int64_t stride = 4 * block.count() * kThreads;
      for (int64_t i = 4 * (block.index() * kThreads + block.thread()); i < a.size; i += stride)
        sum += squares_of_four(i, a.size, true);
    }
    sum = block_reduce(block, sum, Plus{}, scratch);
    if (block.thread() == 0) a.partial[block.index()] = sum;
    if (!last_to_finish(block, block.counter(0), block.count(), reinterpret_cast<uint32_t*>(scratch + kWarps))) return;
    double total = 0;
    for (int64_t i = block.thread(); i < block.count(); i += kThreads) total += a.partial[i];
    total = block_reduce(block, total, Plus{}, scratch);
    if (block.thread() == 0) *a.out = total;
  }
};

template <typename T>
void step(const AdamOnDevice<T>& arguments, void* stream) {
  constexpr int64_t most = 1 << 16;
  if (arguments.ranges) {
    if (arguments.range_count == 0) return;
    const RangesKernel<T> kernel{arguments, float(1.0 - arguments.beta1), float(1.0 - arguments.beta2)};
    launch(kernel, {arguments.range_count < most ? arguments.range_count : most, kThreads}, stream);
    return;
  }
  const int64_t needed = (arguments.size + 4 * kThreads - 1) / (4 * kThreads);
  const StepKernel<T> kernel{arguments, float(1.0 - arguments.beta1), float(1.0 - arguments.beta2)};
  launch(kernel, {needed < most ? needed : most, kThreads}, stream);
}

void sum_of_squares(const SumOfSquares& arguments, int64_t blocks, void* stream) {
  launch(SquaresKernel{arguments}, {blocks, kThreads, kWarps * sizeof(double) + sizeof(uint32_t)}, stream);
}

}  // namespace

template <typename T>
const AdamLaunchers<T>& adam_launchers() {
  static constexpr AdamLaunchers<T> table = {step<T>, sum_of_squares};
  return table;
}
template const AdamLaunchers<float>& adam_launchers<float>();
template const AdamLaunchers<Bfloat16>& adam_launchers<Bfloat16>();
template const AdamLaunchers<Half>& adam_launchers<Half>();

}  // namespace rdrop
