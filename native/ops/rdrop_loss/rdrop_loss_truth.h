// What the tests of the fused loss share: its kernels under the emulated grid, and the CPU's scalar body in double that
// judges them. N positions of V classes.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/rdrop_loss/rdrop_loss_kernel.h"
#include "core/kernels.h"
#include "test/check.h"

namespace rdrop::test::loss {

inline constexpr int64_t ignored = 1;
inline constexpr double infinity = std::numeric_limits<double>::infinity();

struct Options {
  LossWeights weights{0.1, 1, 5, 1, 0};  // label_smoothing, pass_weight, alpha, forward_weight, reverse_weight
  double scale = 1;
  bool in_place = false;
  int64_t first_position = 0;
  double alpha_factor = 1;
};

/// What a launch computes: both passes, or one with or without its gradient.
enum class Form { pair, single, losses };

struct Result {
  DeviceLossSums sums;
  std::vector<double> gradient;
};

inline std::vector<double> losses(const DeviceLossSums& sums) {
  return {sums.cross_entropy, sums.nll, sums.kl, sums.tokens, sums.weighted_kl};
}

inline void expect_same_faults(const DeviceLossSums& actual, const DeviceLossSums& expected) {
  expect(actual.faults == expected.faults && actual.first.kind == expected.first.kind &&
             (actual.faults == 0 || actual.first.position == expected.first.position),
         "other faults");
}

inline std::vector<int32_t> some_targets(int64_t positions, int64_t classes) {
  std::vector<int32_t> targets;
  for (int64_t n = 0; n < positions; ++n) targets.push_back(int32_t((n * 7919 + classes - 1) % classes));
  if (positions > 2) targets[1] = ignored;
  return targets;
}

inline LossWeights weights_of(const Options& options, Form form) {
  LossWeights weights = options.weights;
  if (form != Form::pair) weights = {weights.label_smoothing, weights.pass_weight, 0, 0, 0, weights.class_weights};
  weights.alpha *= options.alpha_factor;
  return weights;
}

/// The scalar body over the same numbers; a fault is summed up and its gradients are NaN, as on a device.
inline Result expected_of(const std::vector<double>& logits, const std::vector<int32_t>& targets, int64_t classes,
                          const Options& options, Form form = Form::pair) {
  const int64_t positions = int64_t(targets.size());
  std::vector<RdropLossRow> rows(targets.size());
  Result result{{}, std::vector<double>(form == Form::losses ? 0 : logits.size(), std::nan(""))};
  RdropLossArguments a{};
  a.logits1 = logits.data();
  if (form != Form::losses) a.gradient1 = result.gradient.data();
  if (form == Form::pair) {
    a.logits2 = logits.data() + positions * classes;
    a.gradient2 = result.gradient.data() + positions * classes;
  }
  a.targets = targets.data();
  a.ignore_index = ignored;
  a.classes = classes;
  a.weights = weights_of(options, form);
  a.rows = rows.data();
  for (int64_t n = 0; n < positions; ++n) {
    RdropLossRow& row = rows[size_t(n)];
    const int32_t target = targets[size_t(n)];
    if (target == ignored || (target >= 0 && target < classes)) {
      scalar::kernels<RdropLossKernels>().float64(a, n, n + 1);
    } else {
      row = {0, 0, 0, fault_target, 0};
    }
    result.sums.cross_entropy += row.cross_entropy;
    result.sums.nll += row.nll;
    result.sums.kl += row.kl;
    result.sums.weighted_kl += row.kl * options.alpha_factor;
    result.sums.tokens += target != ignored && !row.fault;
    if (!row.fault) continue;
    if (result.sums.faults++ == 0) result.sums.first = {options.first_position + n, LossFault(row.fault)};
  }
  for (double& g : result.gradient) g *= options.scale;
  return result;
}

/// The kernel on the positions given, added to sums; the gradient is that of both passes.
template <typename T>
std::vector<double> run(const Array<T>& logits, const std::vector<int32_t>& targets, int64_t classes,
                        const Options& options, DeviceLossSums& sums, Form form = Form::pair) {
  const int64_t positions = int64_t(targets.size());
  Array<T> copy(logits.values()), other(logits.size());
  Array<T>& gradient = options.in_place ? copy : other;
  std::vector<RdropLossRow> rows(targets.size());
  uint32_t blocks_done = 0;
  const float scale = float(options.scale);
  RdropLossOnDevice<T> a{};
  a.logits1 = copy.data();
  if (form != Form::losses) a.gradient1 = gradient.data();
  if (form == Form::pair) {
    a.logits2 = copy.data() + positions * classes;
    a.gradient2 = gradient.data() + positions * classes;
  }
  a.targets = targets.data();
  a.ignore_index = ignored;
  a.classes = classes;
  a.weights = form == Form::pair ? options.weights : weights_of(options, form);
  a.alpha_factor = options.alpha_factor == 1 ? nullptr : &options.alpha_factor;
  a.gradient_scale = options.scale == 1 ? nullptr : &scale;
  a.first_position = options.first_position;
  a.rows = rows.data();
  a.blocks_done = &blocks_done;
  a.sums = &sums;
  const auto launchers = rdrop_loss_launchers<T>();
  (form == Form::pair ? launchers.loss : launchers.cross_entropy)(a, positions, nullptr);
  expect(blocks_done == 0, "the counter of blocks was not left at zero");
  if (!options.in_place) expect(copy.values() == logits.values(), "the logits were written to");
  return form == Form::losses ? std::vector<double>() : gradient.values();
}

/// spread: of the logits, which bounds the error of float32 sums.
template <typename T>
void compare(const std::vector<double>& numbers, const std::vector<int32_t>& targets, int64_t classes,
             const Options& options, double spread, Form form = Form::pair) {
  const Array<T> logits(numbers);
  const Result expected = expected_of(logits.values(), targets, classes, options, form);
  in_every_order([&] {
    DeviceLossSums sums{};
    const std::vector<double> gradient = run<T>(logits, targets, classes, options, sums, form);
    const double tokens = std::max(1.0, expected.sums.tokens);
    expect_close("sums", losses(sums), losses(expected.sums), 3e-7,
                 3e-7 * (1 + spread) * tokens * std::max(1.0, options.alpha_factor));
    expect(sums.tokens == expected.sums.tokens, "another count of tokens");
    expect_same_faults(sums, expected.sums);
    for (size_t i = 0; i < gradient.size(); ++i) {
      expect(std::isnan(gradient[i]) == std::isnan(expected.gradient[i]), "NaN in one gradient alone");
      if (std::isnan(gradient[i])) continue;
      expect_close("gradient " + std::to_string(i), {gradient[i]}, {expected.gradient[i]}, 2 * roundoff<T>(),
                   options.scale * (1 + options.weights.alpha * options.alpha_factor) * (1 + spread) * 5e-7 +
                       (std::is_same_v<T, Half> ? 0x1p-25 : 0));
    }
  });
}

inline constexpr LossWeights uni{0.1, 1, 5, 1, 0}, reverse{0.1, 1, 5, 0, 1}, bi{0.1, 1, 5, 0.5, 0.5};

}  // namespace rdrop::test::loss
