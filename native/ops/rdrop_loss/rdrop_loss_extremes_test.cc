// The fused loss under the emulated grid where numbers are far, equal, nearly equal or not finite.
#include "ops/rdrop_loss/rdrop_loss_truth.h"

namespace rdrop::test {
namespace {

using namespace loss;

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

}  // namespace
}  // namespace rdrop::test
