// Adam. On the CPU one sweep over parameters, gradient and moments, which also clears the gradient.
#include "ops/adam/adam.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/dispatch.h"
#include "device/device.h"
#include "device/dispatch.h"
#include "ops/adam/adam_coefficients.h"
#include "ops/adam/adam_kernel.h"

namespace rdrop {
namespace {

/// Elements of a piece: what a block updates at a time.
constexpr int64_t kPiece = 4096;

}  // namespace

AdamRanges::AdamRanges(Device& device, const std::vector<AdamRange>& ranges) {
  std::vector<AdamRange> pieces;
  for (const AdamRange& range : ranges) {
    for (int64_t begin = range.begin; begin < range.end; begin += kPiece)
      pieces.push_back({begin, std::min(begin + kPiece, range.end), range.rate, range.decay});
  }
  count_ = int64_t(pieces.size());
  const size_t bytes = pieces.size() * sizeof(AdamRange);
  pieces_ = device.memory().empty({std::max<int64_t>(1, int64_t(bytes))}, at::kByte);
  if (bytes > 0) device.memory().upload(pieces.data(), bytes, pieces_);
}

const AdamRange* AdamRanges::pieces() const {
  return static_cast<const AdamRange*>(pieces_.const_data_ptr());
}

void adam_on(Device& device, at::Tensor& parameter, const at::Tensor& gradient, at::Tensor& first_moment,
             at::Tensor& second_moment, at::Tensor& copy, const AdamOptions& options,
             const AdamCoefficients* coefficients, const AdamRanges* ranges) {
  dispatch_device(copy.defined() ? copy : parameter, [&](auto zero) {
    using T = decltype(zero);
    device.kernels().layers<T>().adam.step(
        {mutable_elements<float>(parameter), elements<float>(gradient), mutable_elements<float>(first_moment),
         mutable_elements<float>(second_moment), copy.defined() ? mutable_elements<T>(copy) : nullptr, coefficients,
         parameter.numel(), options.beta1, options.beta2, options.epsilon, ranges ? ranges->pieces() : nullptr,
         ranges ? ranges->count() : 0},
        device.stream());
  });
}

void sum_of_squares_on(Device& device, const at::Tensor& gradient, double* out, const AdamRanges* ranges) {
  const int64_t blocks = 4 * int64_t(device.info().multiprocessors);
  at::Tensor partial = device.memory().empty({blocks}, at::kDouble);
  device.kernels().float32.adam.sum_of_squares(
      {elements<float>(gradient), gradient.numel(), out, mutable_elements<double>(partial),
       ranges ? ranges->pieces() : nullptr, ranges ? ranges->count() : 0},
      blocks, device.stream());
}

// The CPU.

void adam(at::Tensor& parameter, at::Tensor& gradient, at::Tensor& first_moment, at::Tensor& second_moment,
          at::Tensor& copy, const AdamOptions& options, double learning_rate, double gradient_scale, int64_t update) {
  dispatch_floating(parameter, [&](auto zero) {
    using T = decltype(zero);
    const double correction1 = 1.0 - std::pow(options.beta1, double(update));
    const double correction2 = 1.0 - std::pow(options.beta2, double(update));
    const AdamStep<T> step{parameter.mutable_data_ptr<T>(),
                           gradient.mutable_data_ptr<T>(),
                           first_moment.mutable_data_ptr<T>(),
                           second_moment.mutable_data_ptr<T>(),
                           gradient_scale,
                           options.beta1,
                           options.beta2,
                           options.epsilon,
                           learning_rate * options.weight_decay,
                           learning_rate * std::sqrt(correction2) / correction1,
                           copy.defined() ? mutable_elements<Bfloat16>(copy) : nullptr};
    parallel_rows(parameter.numel(), 1,
                  [&](int64_t begin, int64_t end) { kernels<AdamKernels<T>>().step(step, begin, end); });
  });
}

double sum_of_squares(const at::Tensor& gradient) {
  constexpr int64_t chunk = 1 << 16;
  const int64_t size = gradient.numel(), chunks = (size + chunk - 1) / chunk;
  std::vector<double> sums(static_cast<size_t>(chunks));
  dispatch_floating(gradient, [&](auto zero) {
    using T = decltype(zero);
    const T* data = gradient.const_data_ptr<T>();
    parallel_rows(chunks, chunk, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        sums[size_t(i)] = kernels<AdamKernels<T>>().sum_of_squares(data, i * chunk, std::min(size, (i + 1) * chunk));
      }
    });
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

}  // namespace rdrop
