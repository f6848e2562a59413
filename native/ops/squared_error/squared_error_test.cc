// The squared error under the emulated grid against its formula in double.
#include "ops/squared_error/squared_error_kernel.h"

#include <cmath>
#include <limits>

#include "test/check.h"

namespace rdrop::test {
namespace {

struct Options {
  double pass_weight = 1, alpha = 1;
  bool by_sequences = false;
  double scale = 1;
  bool in_place = false;
  bool pair = true;
  int64_t first_position = 0;
};

struct Result {
  DeviceLossSums sums;
  std::vector<double> gradient;
};

std::vector<double> losses(const DeviceLossSums& sums) {
  return {sums.cross_entropy, sums.nll, sums.kl, sums.weighted_kl, sums.tokens};
}

Result expected_of(const std::vector<double>& p, const std::vector<double>& values, const Options& options) {
  Result result{{}, std::vector<double>(p.size())};
  const size_t n = values.size(), passes = p.size() / n;
  double present = 0;
  for (const double y : values) present += !std::isnan(y);
  const double factor = options.by_sequences ? present : 1, alpha = options.alpha * factor;
  for (size_t i = 0; i < n; ++i) {
    if (std::isnan(values[i])) continue;
    double error = 0;
    bool bad = false;
    for (size_t pass = 0; pass < passes; ++pass) {
      error += options.pass_weight * std::pow(p[pass * n + i] - values[i], 2);
      bad = bad || !std::isfinite(p[pass * n + i]);
    }
    const double apart = passes == 2 ? p[i] - p[n + i] : 0;
    if (bad) {
      const LossFault kind = std::isfinite(p[i]) ? fault_pass2 : fault_pass1;
      if (result.sums.faults++ == 0) result.sums.first = {options.first_position + int64_t(i), kind};
    } else {
      result.sums.cross_entropy += error;
      result.sums.kl += apart * apart;
      result.sums.tokens += 1;
    }
    for (size_t pass = 0; pass < passes; ++pass) {
      const double slope =
          2 * options.pass_weight * (p[pass * n + i] - values[i]) + (pass == 0 ? 2 : -2) * alpha * apart;
      result.gradient[pass * n + i] = bad ? std::nan("") : options.scale * slope;
    }
  }
  result.sums.nll = result.sums.cross_entropy;
  result.sums.weighted_kl = result.sums.kl * factor;
  return result;
}

template <typename T>
void compare(const std::vector<double>& numbers, const std::vector<double>& values, const Options& options) {
  const Array<T> given(numbers);
  const Result expected = expected_of(given.values(), values, options);
  const int64_t n = int64_t(values.size());
  in_every_order([&] {
    Array<T> predictions(numbers), other(numbers.size());
    Array<T>& gradient = options.in_place ? predictions : other;
    const float scale = float(options.scale);
    DeviceLossSums sums{};
    squared_error_launchers<T>().loss(
        {predictions.data(), options.pair ? predictions.data() + n : nullptr, gradient.data(),
         options.pair ? gradient.data() + n : nullptr, values.data(), n, options.pass_weight, options.alpha,
         options.by_sequences, options.scale == 1 ? nullptr : &scale, options.first_position, &sums},
        nullptr);
    expect_close("sums", losses(sums), losses(expected.sums), 1e-12, 1e-12);
    expect(sums.faults == expected.sums.faults && sums.first.kind == expected.sums.first.kind &&
               sums.first.position == expected.sums.first.position,
           "other faults");
    const std::vector<double> found = gradient.values();
    for (size_t i = 0; i < found.size(); ++i) {
      expect(std::isnan(found[i]) == std::isnan(expected.gradient[i]), "NaN in one gradient alone");
      if (std::isnan(found[i])) continue;
      expect_close("gradient " + std::to_string(i), {found[i]}, {expected.gradient[i]}, 2 * roundoff<T>(),
                   std::is_same_v<T, Half> ? 0x1p-25 : 0);
    }
  });
}

template <typename T>
void all() {
  const double padding = std::nan("");
  for (const int64_t n : {1, 2, 31, 256, 700}) {
    std::vector<double> values = normal(size_t(n), 3);
    for (const bool padded : {false, true}) {
      if (padded && n > 1) values[size_t(n / 2)] = values.back() = padding;
      for (const bool by_sequences : {false, true}) {
        const auto two = normal(size_t(2 * n), uint64_t(n)), one = normal(size_t(n), uint64_t(n));
        compare<T>(two, values, {.alpha = 0.75, .by_sequences = by_sequences});
        compare<T>(two, values, {.pass_weight = 0.5, .by_sequences = by_sequences, .scale = 8, .in_place = true});
        compare<T>(one, values, {.alpha = 0, .by_sequences = by_sequences, .pair = false});
      }
    }
  }
  compare<T>(normal(6, 1), {padding, padding, padding}, {});
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    auto predictions = normal(6, 1);
    predictions[4] = bad;
    compare<T>(predictions, {1, 2, 3}, {.in_place = true, .first_position = 7});
    predictions[1] = bad, predictions[2] = bad;
    compare<T>(predictions, {1, 2, 3}, {.in_place = true, .first_position = 7});
    compare<T>(predictions, {1, padding, 3}, {.first_position = 7});
  }
}

const Case float32{"squared error: float32", all<float>};
const Case bfloat16{"squared error: bfloat16", all<Bfloat16>};
const Case float16{"squared error: float16", all<Half>};

}  // namespace
}  // namespace rdrop::test
