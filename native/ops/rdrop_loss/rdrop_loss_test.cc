// The fused loss under the emulated grid against the CPU's scalar body in double: shapes, options, forms, sums.
#include "ops/rdrop_loss/rdrop_loss_truth.h"

namespace rdrop::test {
namespace {

using namespace loss;

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
