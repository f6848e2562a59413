// The plain path of attention under the emulated grid against the CPU's bodies in double.
#include "ops/attention/attention_on_device_test.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/kernels.h"
#include "test/cpu_layers.h"

namespace rdrop::test {
namespace {

template <typename T>
void compare(const AttentionCase& shape, double p) {
  const auto& kernels = attention_launchers<T>();
  // The slope comes from the output as it was rounded: an error of one rounding of every product in it.
  const double gradient = sizeof(T) == 4 ? 2e-5 : 16 * roundoff<T>();
  compare_on_device<T>(kernels.forward, kernels.backward, shape, p, {4 * roundoff<T>(), 4e-6, gradient});
}

const AttentionCase kOne{{0, 1}, {0, 1}, 1, 4, true, 1, 1, true};
const AttentionCase kCausal{{0, 5, 12}, {0, 5, 12}, 2, 8, true, 7, 7, true};
const AttentionCase kLooseBounds{{0, 5, 12}, {0, 5, 12}, 2, 8, false, 20, 40, true};
const AttentionCase kCross{{0, 3, 20, 21}, {0, 70, 71, 110}, 1, 16, false, 17, 70, false};
const AttentionCase kEmptyAtTheEnd{{0, 37, 55, 55, 55}, {0, 37, 55, 55, 55}, 1, 32, true, 40, 40, true};
const AttentionCase kOddColumns{{0, 33, 35, 35}, {0, 18, 41, 41}, 2, 7, false, 33, 33, false};
/// More columns than a block holds at a time.
const AttentionCase kWide{{0, 9}, {0, 34}, 1, 200, false, 9, 34, false};
const AttentionCase kWideCausal{{0, 40}, {0, 40}, 1, 132, true, 40, 40, true};
/// So many keys that the CPU draws the mask of a row in several pieces, and leaves some out.
const AttentionCase kLongCausal{{0, 3, 293}, {0, 3, 293}, 1, 4, true, 290, 290, true};

void float32_shapes() {
  compare<float>(kOne, 0);
  compare<float>(kCausal, 0);
  compare<float>(kCausal, 0.3);
  compare<float>(kLooseBounds, 0.3);
  compare<float>(kCross, 0.3);
  compare<float>(kEmptyAtTheEnd, 0.3);
  compare<float>(kOddColumns, 0);
  compare<float>(kWide, 0.3);
  compare<float>(kWideCausal, 0);
  compare<float>(kLongCausal, 0.3);
}

template <typename T>
void shapes_of_16_bits() {
  compare<T>(kCausal, 0.3);
  compare<T>(kCross, 0);
  compare<T>(kOddColumns, 0.3);
}

const Case float32{"attention: float32", float32_shapes};
const Case bfloat16{"attention: bfloat16", shapes_of_16_bits<Bfloat16>};
const Case float16{"attention: float16", shapes_of_16_bits<Half>};

const Case without_keys{"attention: a query without keys attends to nothing", [] {
                          const int32_t queries[] = {0, 2}, keys[] = {0, 0};
                          const Array<float> query(normal(8, 1));
                          Array<float> out(std::vector<double>(8, 5.0)), log_sum(2);
                          DeviceAttention<float> a{};
                          a.query = query.data();
                          a.key = a.value = query.data();
                          a.query_starts = queries;
                          a.key_starts = keys;
                          a.query_stride = a.key_stride = 4;
                          a.sequences = a.heads = 1;
                          a.longest_query = a.longest_key = 2;
                          a.head_dim = 4;
                          a.out = out.data();
                          a.log_sum = log_sum.data();
                          attention_launchers<float>().forward(a, nullptr);
                          expect(out.values() == std::vector<double>(8, 0.0), "the output is not zero");
                        }};

// On the CPU, in every instruction set.

/// All that attention gives.
struct Attended {
  std::vector<double> out, query, keys;
};

template <typename T>
Attended attend(const Array<T>& queries, const Array<T>& keys, const Array<T>& upstream,
                const std::vector<int32_t>& query_offsets, const std::vector<int32_t>& key_offsets, int64_t heads,
                int64_t head_dim, bool causal, const Dropout& dropout) {
  const int64_t width = heads * head_dim;
  Array<T> out(queries.size()), query(queries.size()), key(keys.size());
  std::vector<int64_t> offsets;
  int64_t probabilities = 0, scratch = 0;
  const int64_t sequences = int64_t(query_offsets.size()) - 1;
  for (int64_t i = 0; i < sequences; ++i) {
    const int64_t own = query_offsets[i + 1] - query_offsets[i], other = key_offsets[i + 1] - key_offsets[i];
    offsets.push_back(probabilities);
    probabilities += heads * own * attention_padded(other);
    scratch = std::max(scratch, attention_scratch(own, other, head_dim, sizeof(T) != sizeof(Wide<T>)));
  }
  // What is read without having been written shows.
  Array<Wide<T>> probability(std::vector<double>(size_t(probabilities), std::nan(""))),
      memory(std::vector<double>(size_t(scratch), std::nan("")));
  Attention<T> a{};
  a.query = queries.data();
  a.key = keys.data();
  a.value = keys.data() + width;
  a.out = out.data();
  a.probability = probability.data();
  a.query_offsets = query_offsets.data();
  a.key_begin = key_offsets.data();
  a.key_end = key_offsets.data() + 1;
  a.probability_offsets = offsets.data();
  a.query_stride = width;
  a.key_stride = 2 * width;
  a.heads = heads;
  a.head_dim = head_dim;
  a.causal = causal;
  a.dropout = dropout;
  a.scratch = memory.data();
  a.out_gradient = upstream.data();
  a.query_gradient = query.data();
  a.key_gradient = key.data();
  a.value_gradient = key.data() + width;
  const auto& kernel = kernels<AttentionKernels<T>>();
  kernel.forward(a, 0, sequences * heads);
  kernel.backward(a, 0, sequences * heads);
  return {out.values(), query.values(), key.values()};
}

template <typename T>
void compare_attention(int64_t heads, int64_t head_dim, bool causal, double p) {
  const std::vector<int32_t> query_offsets{0, 1, 6, 23, 42, causal ? 135 : 42};
  const std::vector<int32_t> key_offsets = causal ? query_offsets : std::vector<int32_t>{0, 4, 5, 38, 54, 54};
  const int64_t width = heads * head_dim, rows = query_offsets.back();
  const Array<T> queries(normal(size_t(rows * width), 1)), keys(normal(size_t(key_offsets.back() * 2 * width), 2)),
      upstream(normal(size_t(rows * width), 3));
  const Dropout dropout = some_dropout(p, rows * heads);
  const Array<double> queries64(queries.values()), keys64(keys.values()), upstream64(upstream.values());
  select_kernels("scalar");
  const auto expected =
      attend(queries64, keys64, upstream64, query_offsets, key_offsets, heads, head_dim, causal, dropout);
  in_every_set([&](const std::string& set) {
    const auto found = attend(queries, keys, upstream, query_offsets, key_offsets, heads, head_dim, causal, dropout);
    const std::string where = set + " " + type_name<T>() + " heads of " + std::to_string(head_dim) + ": ";
    const double one = allowance<T>(double(head_dim));
    expect_close(where + "out", found.out, expected.out, one, one);
    expect_close(where + "query", found.query, expected.query, 2 * one, 2 * one);
    expect_close(where + "key and value", found.keys, expected.keys, 2 * one, 4 * one);
  });
}

template <typename T>
void refuse_odd_scores() {
  constexpr size_t width = 8, second_key = 2 * width;
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  std::vector<double> queries = normal(2 * width, 1), keys = normal(4 * width, 2);
  queries[0] = 1, queries[width] = -1;  // so that an infinite key gives a score of either sign
  const Array<T> upstream(normal(2 * width, 3));
  const auto all_odd = [&](const char* what, const std::vector<double>& q, const std::vector<double>& k) {
    const Array<T> from(q), to(k);
    in_every_set([&](const std::string& set) {
      const auto found = attend(from, to, upstream, {0, 2}, {0, 2}, 1, width, false, some_dropout(0, 2));
      for (const double x : found.out) expect(std::isnan(x), set + ": " + what + " was lost");
    });
  };
  std::vector<double> odd_queries = queries;
  odd_queries[3] = nan, odd_queries[width + 1] = infinity;
  all_odd("a query that is not finite", odd_queries, keys);
  // In the second key alone: the largest score is found to be finite, and an exponential of less would be taken for 0.
  for (const double odd : {nan, infinity}) {
    std::vector<double> odd_keys = keys;
    odd_keys[second_key] = odd;
    all_odd("a later key that is not finite", queries, odd_keys);
  }
}

template <typename T>
void all_on_cpu() {
  for (const double p : {0.0, 0.3}) {
    for (const bool causal : {false, true}) {
      compare_attention<T>(2, 5, causal, p);
      compare_attention<T>(3, 16, causal, p);
      compare_attention<T>(1, 40, causal, p);
    }
  }
  refuse_odd_scores<T>();
}

const Case cpu_float32{"the CPU's attention in float32, every instruction set", all_on_cpu<float>};
const Case cpu_float64{"the CPU's attention in float64, every instruction set", all_on_cpu<double>};
const Case cpu_bfloat16{"the CPU's attention in bfloat16, every instruction set", all_on_cpu<Bfloat16>};

}  // namespace
}  // namespace rdrop::test
