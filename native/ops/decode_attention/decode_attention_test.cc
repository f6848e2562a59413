// Attention of one query a row under the emulated grid, against the sums written down in double.
#include "ops/decode_attention/decode_attention_kernel.h"

#include <cmath>
#include <functional>

#include "test/check.h"

namespace rdrop::test {
namespace {

constexpr int64_t kBeam = 3, kRows = 9, kCapacity = 40;

/// Attention of a row; key_value(p): where its row of keys and values [2D] starts in `memory`.
void attend(const std::vector<double>& query, size_t query_at, const std::vector<double>& memory, int64_t count,
            int64_t heads, int64_t head_dim, const std::function<size_t(int64_t)>& key_value, double* out) {
  const int64_t width = heads * head_dim;
  for (int64_t head = 0; head < heads; ++head) {
    std::vector<double> weights;
    double total = 0;
    for (int64_t p = 0; p < count; ++p) {
      double score = 0;
      for (int64_t c = head * head_dim; c < (head + 1) * head_dim; ++c) {
        score += query[query_at + size_t(c)] * memory[key_value(p) + size_t(c)];
      }
      weights.push_back(std::exp(score / std::sqrt(double(head_dim))));
      total += weights.back();
    }
    for (int64_t c = head * head_dim; c < (head + 1) * head_dim; ++c) {
      out[c] = 0;
      for (int64_t p = 0; p < count; ++p) {
        out[c] += weights[size_t(p)] / total * memory[key_value(p) + size_t(width + c)];
      }
    }
  }
}

template <typename T>
void to_history(int64_t heads, int64_t head_dim, int32_t length) {
  const int64_t width = heads * head_dim, both = 2 * width;
  const std::vector<int32_t> live{1, 1, 0, 1, 0, 0, 1, 1, 1};
  std::vector<int32_t> ancestors(2 * kCapacity * kRows, -1);
  std::mt19937 generator(5);
  for (int64_t p = 0; p < length; ++p) {
    for (int64_t row = 0; row < kRows; ++row) {
      ancestors[size_t((length % 2 * kCapacity + p) * kRows + row)] =
          int32_t(row / kBeam * kBeam + int64_t(generator() % kBeam));
    }
  }
  const Array<T> fused(normal(size_t(kRows * 3 * width), 1));
  const std::vector<double> fused_values = fused.values(), before = normal(size_t(kCapacity * kRows * both), 2);
  // What the cache holds once the kernel has run: this position's keys and values in the rows that are in use.
  Array<T> after(before);
  for (int64_t row = 0; row < kRows; ++row) {
    const T* mine = fused.data() + row * 3 * width + width;
    if (live[size_t(row)]) std::copy(mine, mine + both, after.data() + (length * kRows + row) * both);
  }
  const std::vector<double> memory = after.values();
  std::vector<double> expected(size_t(kRows * width), 7);
  for (int64_t row = 0; row < kRows; ++row) {
    if (!live[size_t(row)]) continue;
    const auto held = [&](int64_t p) {
      const int64_t at = (length % 2 * kCapacity + p) * kRows + row;
      return size_t((p * kRows + (p == length ? row : ancestors[size_t(at)])) * both);
    };
    attend(fused_values, size_t(row * 3 * width), memory, length + 1, heads, head_dim, held,
           expected.data() + row * width);
  }
  in_every_order([&] {
    Array<T> cache(before), out(std::vector<double>(size_t(kRows * width), 7.0));
    decode_attention_launchers<T>().to_history(
        {{fused.data(), out.data(), 3 * width, kRows, heads, head_dim, live.data()},
         fused.data() + width,
         cache.data(),
         ancestors.data(),
         &length,
         kCapacity},
        nullptr);
    expect_close("out", out.values(), expected, 4 * roundoff<T>(), 1e-6);
    expect(cache.values() == memory, "the cache");
  });
}

template <typename T>
void to_source(int64_t heads, int64_t head_dim) {
  const int64_t width = heads * head_dim, both = 2 * width;
  const std::vector<int32_t> live{1, 0, 0, 1, 1, 1, 0, 0, 0}, starts{0, 37, 38, 38};
  const Array<T> query(normal(size_t(kRows * width), 1)), key_value(normal(size_t(38 * both), 2));
  std::vector<double> expected(size_t(kRows * width), 7);
  for (int64_t row = 0; row < kRows; ++row) {
    if (!live[size_t(row)]) continue;
    const int64_t first = starts[size_t(row / kBeam)], end = starts[size_t(row / kBeam) + 1];
    attend(
        query.values(), size_t(row * width), key_value.values(), end - first, heads, head_dim,
        [&](int64_t p) { return size_t((first + p) * both); }, expected.data() + row * width);
  }
  in_every_order([&] {
    Array<T> out(std::vector<double>(size_t(kRows * width), 7.0));
    decode_attention_launchers<T>().to_source({{query.data(), out.data(), width, kRows, heads, head_dim, live.data()},
                                               key_value.data(),
                                               starts.data(),
                                               kBeam,
                                               60},
                                              nullptr);
    expect_close("out", out.values(), expected, 4 * roundoff<T>(), 1e-6);
  });
}

template <typename T>
void all_shapes() {
  to_history<T>(2, 8, 0);
  to_history<T>(2, 8, 7);
  to_history<T>(1, 7, 38);
  to_history<T>(1, 132, 3);
  to_source<T>(2, 16);
  to_source<T>(1, 5);
  to_source<T>(1, 130);
}

const Case float32{"decode attention: float32", all_shapes<float>};
const Case bfloat16{"decode attention: bfloat16", all_shapes<Bfloat16>};
const Case float16{"decode attention: float16", all_shapes<Half>};

}  // namespace
}  // namespace rdrop::test
