// Attention over cached keys and values on the CPU, in every instruction set, against the sums written down in double.
#include "ops/cached_attention/cached_attention_kernel.h"

#include <cmath>

#include "core/kernels.h"
#include "test/check.h"

namespace rdrop::test {
namespace {

/// One row in double; places[p]: where the row of key and value [2D] of position p starts in `memory`.
std::vector<double> attend(const std::vector<double>& query, size_t query_at, const std::vector<double>& memory,
                           const std::vector<size_t>& places, int64_t heads, int64_t head_dim) {
  const int64_t width = heads * head_dim;
  std::vector<double> out(width, 0.0);
  for (int64_t head = 0; head < heads; ++head) {
    std::vector<double> scores;
    double largest = -INFINITY, total = 0;
    for (const size_t place : places) {
      double score = 0;
      for (int64_t c = head * head_dim; c < (head + 1) * head_dim; ++c)
        score += query[query_at + c] * memory[place + c];
      scores.push_back(score / std::sqrt(double(head_dim)));
      largest = std::max(largest, scores.back());
    }
    for (double& score : scores) total += score = std::exp(score - largest);
    for (size_t p = 0; p < places.size(); ++p) {
      for (int64_t c = head * head_dim; c < (head + 1) * head_dim; ++c) {
        out[c] += scores[p] / total * memory[places[p] + width + c];
      }
    }
  }
  return out;
}

template <typename T>
void compare(int64_t heads, int64_t head_dim, int64_t length, double deviation) {
  constexpr int64_t rows = 5;
  const int64_t width = heads * head_dim, stride = 3 * width;
  const Array<T> query(normal(rows * stride, 1, deviation)), memory(normal(length * rows * stride, 2, deviation));
  const std::vector<double> query_values = query.values(), memory_values = memory.values();
  std::mt19937 generator(7);
  std::vector<const T*> blocks;
  for (int64_t p = 0; p < length; ++p) blocks.push_back(memory.data() + p * rows * stride + width);
  std::vector<int32_t> ancestors(rows * (length + 3), -1), begin(rows), end(rows);
  std::vector<double> expected_history, expected_source;
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<size_t> history, source;
    for (int64_t p = 0; p < length; ++p) {
      const int32_t held = int32_t(generator() % rows);
      ancestors[row * (length + 3) + p] = held;
      history.push_back((p * rows + held) * stride + width);
    }
    begin[row] = int32_t(generator() % length);
    end[row] = begin[row] + 1 + int32_t(generator() % (length - begin[row]));
    for (int32_t k = begin[row]; k < end[row]; ++k) source.push_back(k * stride);
    const auto append = [&](std::vector<double>& to, const std::vector<size_t>& places) {
      const std::vector<double> out = attend(query_values, row * stride, memory_values, places, heads, head_dim);
      to.insert(to.end(), out.begin(), out.end());
    };
    append(expected_history, history);
    append(expected_source, source);
  }
  for (const char* set : {"scalar", "avx2", "avx512"}) {
    if (!select_kernels(set)) continue;
    const auto& kernel = kernels<CachedAttentionKernels<T>>();
    std::vector<Wide<T>> scores(heads * attention_padded(length));
    std::vector<const T*> places(length);
    Array<T> out(std::vector<double>(rows * width, 9.0));
    const CachedAttention<T> arguments{query.data(), out.data(), stride, heads, head_dim, scores.data(), places.data()};
    const std::string name = std::string(set) + " " + type_name<T>();
    // bfloat16 is rounded once, all else of it is float.
    const double sums =
        sizeof(T) == sizeof(Wide<T>) ? 64 * (1 + deviation * deviation * std::sqrt(double(head_dim))) : 3;
    const double tolerance = roundoff<T>() * sums;
    kernel.to_history(arguments, {blocks.data(), ancestors.data(), length + 3, length, stride}, 0, rows);
    expect_close(name + " history", out.values(), expected_history, tolerance, tolerance * deviation);
    kernel.to_source(arguments, {memory.data(), begin.data(), end.data(), stride}, 1, rows);
    kernel.to_source(arguments, {memory.data(), begin.data(), end.data(), stride}, 0, 1);
    expect_close(name + " source", out.values(), expected_source, tolerance, tolerance * deviation);
  }
}

template <typename T>
void compare_all() {
  for (const int64_t head_dim : {1, 3, 8, 16, 20, 64, 80}) {
    for (const int64_t length : {1, 2, 15, 16, 33}) compare<T>(head_dim > 16 ? 2 : 3, head_dim, length, 1);
  }
  compare<T>(2, 64, 40, 8);  // one key takes nearly all, the others' exponentials underflow
}

const Case odd_shapes{"cached attention: history and source in every instruction set, odd shapes", [] {
                        compare_all<float>();
                        compare_all<double>();
                        compare_all<Bfloat16>();
                      }};

template <typename T>
void pass_on() {
  for (const char* set : {"scalar", "avx2", "avx512"}) {
    if (!select_kernels(set)) continue;
    for (const double bad : {double(INFINITY), -double(INFINITY), double(NAN)}) {
      // The key of one of three positions; the values are finite.
      Array<T> query(std::vector<double>(16, 1.0)), memory(normal(3 * 32, 5)), out(std::vector<double>(16, 0.0));
      memory.data()[32 + 9] = T(bad);
      T scores[2 * 16];
      const T* places[3];
      const int32_t begin = 0, end = 3;
      kernels<CachedAttentionKernels<T>>().to_source({query.data(), out.data(), 16, 2, 8, scores, places},
                                                     {memory.data(), &begin, &end, 32}, 0, 1);
      for (int c = 0; c < 16; ++c) {
        expect(std::isnan(double(out.data()[c])) == (c >= 8),
               std::string(set) + ": a score that is not finite is lost");
      }
    }
  }
}

const Case not_finite{"cached attention: a score that is not finite makes its head NaN", [] {
                        pass_on<float>();
                        pass_on<double>();
                      }};

}  // namespace
}  // namespace rdrop::test
