// The candidates of beam search on the CPU, in every instruction set, against a sorted row and sums in double.
#include "ops/beam_candidates/beam_candidates_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/kernels.h"
#include "test/check.h"

namespace rdrop::test {
namespace {

constexpr int64_t kPadToken = 1, kEosToken = 2;

template <typename T>
struct Found {
  std::vector<double> log_sums, values;
  std::vector<int32_t> tokens, found;
};

template <typename T>
Found<T> run(const Array<T>& logits, const std::vector<Follow>& follow, int64_t classes, int64_t count) {
  const int64_t rows = int64_t(follow.size());
  Found<T> result{std::vector<double>(rows, 7), std::vector<double>(rows * count, 7),
                  std::vector<int32_t>(rows * count, -7), std::vector<int32_t>(rows, -7)};
  std::vector<T> scratch(beam_candidates_scratch(classes, count));
  const BeamCandidates<T> arguments{logits.data(),
                                    follow.data(),
                                    classes,
                                    count,
                                    kPadToken,
                                    kEosToken,
                                    result.log_sums.data(),
                                    result.values.data(),
                                    result.tokens.data(),
                                    result.found.data(),
                                    scratch.data()};
  kernels<BeamCandidatesKernels<T>>().candidates(arguments, 0, rows);
  return result;
}

/// levels 0: normal values; otherwise so many different values, so that there are ties.
template <typename T>
void compare(int64_t classes, int64_t count, int levels) {
  const std::vector<Follow> follow{Follow::any, Follow::others, Follow::eos, Follow::any};
  const int64_t rows = int64_t(follow.size());
  std::vector<double> numbers = normal(rows * classes, uint64_t(classes * 31 + count), 3);
  for (double& x : numbers) {
    if (levels > 0) x = std::floor(std::abs(x) * 10) - levels * std::floor(std::abs(x) * 10 / levels);
  }
  // The last row: the largest are eos and padding, and one type cannot be.
  numbers[3 * classes + kPadToken] = 60;
  numbers[3 * classes + kEosToken] = 50;
  numbers[3 * classes] = -std::numeric_limits<double>::infinity();
  const Array<T> logits(numbers);
  const std::vector<double> values = logits.values();
  for (const char* set : {"scalar", "avx2", "avx512"}) {
    if (!select_kernels(set)) continue;
    const Found<T> found = run(logits, follow, classes, count);
    for (int64_t row = 0; row < rows; ++row) {
      const double* x = values.data() + row * classes;
      const std::string name = std::string(set) + " " + type_name<T>() + ", " + std::to_string(classes) +
                               " types, row " + std::to_string(row);
      const double largest = *std::max_element(x, x + classes);
      double total = 0;
      for (int64_t v = 0; v < classes; ++v) total += std::exp(x[v] - largest);
      expect_close(name + " log-sum", {found.log_sums[row]}, {largest + std::log(total)}, roundoff<T>() * 64,
                   roundoff<T>() * 64);
      std::vector<int32_t> order;
      for (int32_t v = 0; v < classes; ++v) {
        const bool eos = v == kEosToken;
        if (v == kPadToken || (follow[row] == Follow::eos ? !eos : eos && follow[row] == Follow::others)) continue;
        order.push_back(v);
      }
      std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return x[a] > x[b]; });
      order.resize(std::min(order.size(), size_t(count)));
      expect(found.found[row] == int32_t(order.size()), name + ": another number of candidates");
      for (size_t i = 0; i < order.size(); ++i) {
        expect(found.tokens[row * count + i] == order[i], name + ": another token at " + std::to_string(i));
        expect(found.values[row * count + i] == x[order[i]], name + ": another logit at " + std::to_string(i));
      }
    }
  }
}

template <typename T>
void compare_all() {
  for (const int64_t classes : {3, 4, 7, 63, 64, 65, 130, 1030, 7960}) {
    for (const int64_t count : {1, 2, 10, 70}) {
      for (const int levels : {0, 1, 4}) compare<T>(classes, std::min(count, classes), levels);
    }
  }
}

const Case best{"beam candidates: the best of a row in every instruction set, with ties and masks", [] {
                  compare_all<float>();
                  compare_all<double>();
                }};

template <typename T>
void refuse() {
  const T infinity = std::numeric_limits<T>::infinity();
  for (const char* set : {"scalar", "avx2", "avx512"}) {
    if (!select_kernels(set)) continue;
    for (const int64_t at : {0, 5, 63, 64, 129}) {
      for (const T bad : {infinity, std::numeric_limits<T>::quiet_NaN(), T(-infinity)}) {
        Array<T> logits(normal(2 * 130, 3));
        logits.data()[130 + at] = bad;
        const Found<T> found = run(logits, {Follow::any, Follow::any}, 130, 4);
        expect(std::isfinite(found.log_sums[0]), std::string(set) + ": the row beside it counted");
        // One type without any probability is nothing wrong.
        expect(std::isfinite(found.log_sums[1]) == (bad == T(-infinity)),
               std::string(set) + ": the log-sum of its row");
      }
    }
    Array<T> nothing(std::vector<double>(130, -INFINITY));
    expect(!std::isfinite(run(nothing, {Follow::any}, 130, 4).log_sums[0]), "a row of -infinity was accepted");
  }
}

const Case not_finite{"beam candidates: logits that are not finite leave no log-sum", [] {
                        refuse<float>();
                        refuse<double>();
                      }};

}  // namespace
}  // namespace rdrop::test
