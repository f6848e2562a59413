// The fused loss under the emulated grid against the CPU's scalar body in double.
#include <cmath>
#include <limits>

#include "ops/rdrop_loss/rdrop_loss_kernel.h"
#include "core/kernels.h"
#include "test/check.h"

namespace rdrop::test {
namespace {

constexpr int64_t ignored = 1;
constexpr double infinity = std::numeric_limits<double>::infinity();

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

std::vector<double> losses(const DeviceLossSums& sums) {
  return {sums.cross_entropy, sums.nll, sums.kl, sums.tokens, sums.weighted_kl};
}

void expect_same_faults(const DeviceLossSums& actual, const DeviceLossSums& expected) {
  expect(actual.faults == expected.faults && actual.first.kind == expected.first.kind &&
             (actual.faults == 0 || actual.first.position == expected.first.position),
         "other faults");
}

std::vector<int32_t> some_targets(int64_t positions, int64_t classes) {
  std::vector<int32_t> targets;
  for (int64_t n = 0; n < positions; ++n) targets.push_back(int32_t((n * 7919 + classes - 1) % classes));
  if (positions > 2) targets[1] = ignored;
  return targets;
}

LossWeights weights_of(const Options& options, Form form) {
  LossWeights weights = options.weights;
  if (form != Form::pair) weights = {weights.label_smoothing, weights.pass_weight, 0, 0, 0, weights.class_weights};
  weights.alpha *= options.alpha_factor;
  return weights;
}

/// The scalar body over the same numbers; a fault is summed up and its gradients are NaN, as on a device.
Result expected_of(const std::vector<double>& logits, const std::vector<int32_t>& targets, int64_t classes,
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

constexpr LossWeights uni{0.1, 1, 5, 1, 0}, reverse{0.1, 1, 5, 0, 1}, bi{0.1, 1, 5, 0.5, 0.5};

template <typename T>
void shapes() {
  for (const int64_t classes : {1, 2, 3, 5, 8, 17, 64, 127, 1000, 2049}) {
    for (const int64_t positions : {1, 2, 5}) {
      if (classes > 100 && positions != 2) continue;
      const auto logits = normal(size_t(2 * positions * classes), uint64_t(classes + positions), 3);
      auto targets = some_targets(positions, classes);
      if (classes < 2) targets.assign(targets.size(), 0);
      for (const LossWeights& weights : {uni, reverse, bi}) {
        if (classes > 1000 && weights.reverse_weight == 1) continue;
        compare<T>(logits, targets, classes, {.weights = weights}, 3);
      }
    }
  }
}
const Case shapes_float32{"loss: shapes, float32", shapes<float>};
const Case shapes_bfloat16{"loss: shapes, bfloat16", shapes<Bfloat16>};
const Case shapes_float16{"loss: shapes, float16", shapes<Half>};

template <typename T>
void one_pass() {
  constexpr int elements = 16 / int(sizeof(T));
  for (const int64_t classes :
       {int64_t(1), int64_t(2), int64_t(7), int64_t(64), int64_t(1000), int64_t(2049), int64_t(256 * 3 * elements),
        int64_t(256 * 6 * elements), int64_t(256 * 8 * elements)}) {
    for (const int64_t positions : {1, 3}) {
      const auto logits = normal(size_t(positions * classes), uint64_t(classes + positions), 3);
      auto targets = some_targets(positions, classes);
      if (classes < 2) targets.assign(targets.size(), 0);
      compare<T>(logits, targets, classes, {.in_place = positions == 1}, 3, Form::single);
    }
  }
  // Far logits take the log-softmax form; NaN is a fault.
  for (const double far : {std::is_same_v<T, Half> ? 6e4 : 1e30, infinity}) {
    auto logits = normal(3 * 40, 4, 1);
    logits[45] = far;
    compare<T>(logits, {3, ignored, 0}, 40, {.in_place = true}, 4, Form::single);
    compare<T>(logits, {3, 0, 39}, 40, {.first_position = 7}, 4, Form::single);
  }
}
const Case one_pass_float32{"loss: one pass with its gradient, float32", one_pass<float>};
const Case one_pass_bfloat16{"loss: one pass with its gradient, bfloat16", one_pass<Bfloat16>};
const Case one_pass_float16{"loss: one pass with its gradient, float16", one_pass<Half>};

template <typename T>
void weighted() {
  for (const int64_t classes : {5, 64, 513}) {
    const int64_t positions = 4;
    const auto logits = normal(size_t(2 * positions * classes), uint64_t(classes), 3);
    auto targets = some_targets(positions, classes);
    targets[3] = 2;
    std::vector<double> factors;
    for (int64_t v = 0; v < classes; ++v) factors.push_back(double(v % 3) * 0.75);
    for (const LossWeights& direction : {uni, reverse, bi}) {
      Options options{.weights = direction, .alpha_factor = 3};
      options.weights.class_weights = factors.data();
      compare<T>(logits, targets, classes, options, 3);
    }
    Options options;
    options.weights.class_weights = factors.data();
    const std::vector<double> one(logits.begin(), logits.begin() + positions * classes);
    compare<T>(one, targets, classes, options, 3, Form::single);
    compare<T>(one, {2, 7777, ignored, -4}, classes, options, 3, Form::losses);
  }
}
const Case weighted_float32{"loss: weights of classes and a factor of alpha, float32", weighted<float>};
const Case weighted_bfloat16{"loss: weights of classes and a factor of alpha, bfloat16", weighted<Bfloat16>};
const Case weighted_float16{"loss: weights of classes and a factor of alpha, float16", weighted<Half>};

const Case counted{"loss: positions that are not ignored are counted", [] {
                     for (const int64_t positions : {0, 1, 255, 256, 1000}) {
                       std::vector<int32_t> targets;
                       double expected = 0;
                       for (int64_t n = 0; n < positions; ++n) {
                         targets.push_back(n % 3 == 0 ? int32_t(ignored) : int32_t(n));
                         expected += targets.back() != ignored;
                       }
                       double found = -1;
                       rdrop_loss_launchers<float>().count(targets.data(), positions, ignored, &found, nullptr);
                       expect(found == expected, "counted " + std::to_string(found));
                     }
                   }};

/// Every number of groups a thread, and rows that are read twice, whole and not.
template <typename T>
void long_rows() {
  constexpr int elements = 16 / int(sizeof(T));
  for (const int groups : {1, 2, 3, 5, 7, 10, 16, 17}) {
    for (const int64_t classes : {int64_t(256 * groups - 3) * elements, int64_t(256 * groups - 7) * elements - 1}) {
      const auto logits = normal(size_t(2 * classes), uint64_t(classes), 2);
      const int32_t target = int32_t(groups % 2 ? classes - 1 : classes / 2);
      compare<T>(logits, {target}, classes, {.weights = groups % 2 ? bi : uni, .in_place = groups % 2 == 0}, 2);
    }
  }
}
const Case long_float32{"loss: long rows, float32", long_rows<float>};
const Case long_bfloat16{"loss: long rows, bfloat16", long_rows<Bfloat16>};
const Case long_float16{"loss: long rows, float16", long_rows<Half>};

const Case iwslt{"loss: the vocabulary of IWSLT'14", [] {
                   const auto logits = normal(size_t(2 * 3 * 10152), 14, 2);
                   for (const bool in_place : {false, true}) {
                     compare<Bfloat16>(logits, {10151, 1, 0}, 10152, {.weights = uni, .in_place = in_place}, 2);
                   }
                 }};

template <typename T>
void options() {
  const int64_t positions = 3, classes = 72;
  const auto logits = normal(size_t(2 * positions * classes), 5, 3);
  const auto targets = some_targets(positions, classes);
  for (const double alpha : {0.0, 5.0}) {
    for (const double eps : {0.0, 0.1}) {
      for (const double pass_weight : {1.0, 0.5}) {
        for (const LossWeights& direction : {uni, reverse, bi}) {
          LossWeights weights = direction;
          weights.alpha = alpha, weights.label_smoothing = eps, weights.pass_weight = pass_weight;
          compare<T>(logits, targets, classes, {.weights = weights}, 3);
          compare<T>(logits, targets, classes, {.weights = weights, .scale = 128, .in_place = true}, 3);
          const std::vector<double> one(logits.begin(), logits.begin() + positions * classes);
          compare<T>(one, targets, classes, {.weights = weights}, 3, Form::losses);
          compare<T>(one, targets, classes, {.weights = weights, .scale = 128, .in_place = true}, 3, Form::single);
        }
      }
    }
  }
}
const Case options_float32{"loss: options, float32", options<float>};
const Case options_bfloat16{"loss: options, bfloat16", options<Bfloat16>};
const Case options_float16{"loss: options, float16", options<Half>};

/// Rows that differ as a whole, in one place, or far beyond the reach of exp; rows near the types' limits.
template <typename T>
void extremes() {
  const double most = std::is_same_v<T, Half> ? 6e4 : 1e30;
  for (const int64_t classes : {24, 33}) {
    const size_t row = size_t(classes);
    const auto base = normal(2 * row, 9, 1);
    const auto with = [&](auto change) {
      std::vector<double> logits = base;
      change(logits.data(), logits.data() + row);
      for (const LossWeights& weights : {uni, reverse, bi}) {
        compare<T>(logits, {int32_t(weights.reverse_weight > 0 ? 0 : classes - 1)}, classes, {.weights = weights}, 4);
      }
    };
    for (const double far : {120.0, most}) {
      with([&](double* z1, double*) { z1[0] = far; });
      with([&](double* z1, double*) { z1[row - 1] = far; });
      with([&](double* z1, double* z2) { z1[row - 1] = far, z2[0] = far; });
      with([&](double* z1, double* z2) { z1[row - 1] = -far, z2[row / 2] = -far; });
      with([&](double* z1, double* z2) { z1[0] = -far, z2[row - 1] = far; });
    }
    with([&](double* z1, double* z2) {
      for (size_t v = 0; v < row; ++v) z1[v] += 1e4, z2[v] -= 1e4;
    });
    with([&](double* z1, double* z2) {
      for (size_t v = 0; v < row; ++v) z1[v] = z2[v] = v % 2 ? most : -most;
    });
  }
}
const Case extremes_float32{"loss: far logits, float32", extremes<float>};
const Case extremes_bfloat16{"loss: far logits, bfloat16", extremes<Bfloat16>};
const Case extremes_float16{"loss: far logits, float16", extremes<Half>};

const Case rising{"loss: logits that rise along the row", [] {
                    for (const int64_t classes : {33000, 33001}) {
                      std::vector<double> logits(size_t(2 * classes));
                      for (size_t i = 0; i < logits.size(); ++i) logits[i] = double(i % size_t(classes)) * 0.01;
                      logits[7] += 0.5;
                      compare<Bfloat16>(logits, {int32_t(classes - 1)}, classes, {}, 10);
                    }
                  }};

const Case equal{"loss: equal passes diverge by exactly 0", [] {
                   const auto half = normal(2 * 300, 4, 4);
                   std::vector<double> logits = half;
                   logits.insert(logits.end(), half.begin(), half.end());
                   for (const LossWeights& weights : {uni, reverse, bi}) {
                     DeviceLossSums sums{};
                     run<float>(Array<float>(logits), {3, 4}, 300, {.weights = weights}, sums);
                     expect(sums.kl == 0, "a divergence of " + std::to_string(sums.kl));
                   }
                 }};

const Case near{"loss: nearly equal passes", [] {
                  const auto half = normal(500, 4, 2), change = normal(500, 5, 1e-3);
                  std::vector<double> logits = half;
                  for (size_t v = 0; v < half.size(); ++v) logits.push_back(half[v] + change[v]);
                  for (const LossWeights& weights : {uni, reverse, bi}) {
                    const Array<float> rounded(logits);
                    DeviceLossSums sums{};
                    run<float>(rounded, {3}, 500, {.weights = weights}, sums);
                    const Result expected = expected_of(rounded.values(), {3}, 500, {.weights = weights});
                    expect_close("kl", {sums.kl}, {expected.sums.kl}, 0, 5e-8);
                  }
                }};

template <typename T>
void faults() {
  for (const int64_t classes : {1, 17, 32}) {
    for (const double bad : {std::nan(""), infinity, -infinity}) {
      for (const int64_t place : {int64_t(0), classes / 2, classes - 1}) {
        for (const int64_t row : {2, 5, 4}) {  // positions 2, 2 and the ignored 1
          auto logits = normal(size_t(6 * classes), 3, 1);
          logits[size_t(row * classes + place)] = bad;
          Options options{.weights = bi, .in_place = true, .first_position = 40};
          compare<T>(logits, {0, ignored, 0}, classes, options, 1);
        }
      }
    }
  }
  const auto logits = normal(6 * 16, 3, 1);
  compare<T>(logits, {3, 16, -4}, 16, {.first_position = 7}, 1);
}
const Case faults_float32{"loss: faults, float32", faults<float>};
const Case faults_bfloat16{"loss: faults, bfloat16", faults<Bfloat16>};
const Case faults_float16{"loss: faults, float16", faults<Half>};

const Case overflow{"loss: losses that overflow are a fault", [] {
                      const double most = std::numeric_limits<float>::max();
                      const Options options{.weights = {0.1, 1e300, 5, 1, 0}};
                      compare<float>({most, -most, 0, 0, 0, 0}, {1}, 3, options, 1);
                    }};

const Case chunks{"loss: chunks add up", [] {
                    const int64_t classes = 40, positions = 7, first = 3;
                    auto logits = normal(size_t(2 * positions * classes), 3, 2);
                    const auto targets = some_targets(positions, classes);
                    for (const bool faulty : {false, true}) {
                      if (faulty) logits[size_t(2 * classes)] = logits[size_t(12 * classes)] = infinity;
                      const Array<float> rounded(logits);
                      const auto values = rounded.values();
                      const Result expected = expected_of(values, targets, classes, {.first_position = 100});
                      const auto rows = [&](int64_t begin, int64_t end) {
                        return std::vector<double>(values.begin() + begin * classes, values.begin() + end * classes);
                      };
                      const auto chunk = [&](int64_t begin, int64_t end, DeviceLossSums& sums) {
                        std::vector<double> both = rows(begin, end), second = rows(positions + begin, positions + end);
                        both.insert(both.end(), second.begin(), second.end());
                        run<float>(Array<float>(both), {targets.begin() + begin, targets.begin() + end}, classes,
                                   {.first_position = 100 + begin}, sums);
                      };
                      DeviceLossSums forwards{}, backwards{};
                      chunk(0, first, forwards), chunk(first, positions, forwards);
                      chunk(first, positions, backwards), chunk(0, first, backwards);
                      expect_close("forwards", losses(forwards), losses(expected.sums), 1e-6, 0);
                      expect_close("backwards", losses(backwards), losses(expected.sums), 1e-6, 0);
                      expect_same_faults(forwards, expected.sums);
                      expect_same_faults(backwards, expected.sums);
                    }
                  }};

const Case same{"loss: the same bits in every order of threads", [] {
                  const auto logits = normal(2 * 3 * 2500, 8, 3);
                  std::vector<std::vector<double>> all;
                  in_every_order([&] {
                    DeviceLossSums sums{};
                    auto gradient = run<float>(Array<float>(logits), {5, 0, 7}, 2500, {.weights = bi}, sums);
                    const std::vector<double> added = losses(sums);
                    gradient.insert(gradient.end(), added.begin(), added.end());
                    all.push_back(gradient);
                  });
                  expect(all[0] == all[1] && all[0] == all[2], "another result");
                }};

}  // namespace
}  // namespace rdrop::test
