// Attention over short sequences under the emulated grid against the CPU's bodies in double, and what it takes.
#include "ops/attention/attention_on_device_test.h"

namespace rdrop::test {
namespace {

template <typename T>
void compare(const AttentionCase& shape, double p) {
  // Probabilities and their gradients are rounded before they enter a sum over keys or queries: an error of a rounding
  // of every term, of either sign.
  const double terms = double(std::max(shape.longest_query, shape.longest_key));
  compare_on_device<T>(short_forward<T>(), short_backward<T>(), shape, p,
                       {4 * roundoff<T>(), 2 * roundoff<T>(), 2 * std::sqrt(terms) * roundoff<T>()});
}

/// Starts of sequences of these lengths.
std::vector<int32_t> starts(const std::vector<int32_t>& lengths) {
  std::vector<int32_t> from{0};
  for (const int32_t length : lengths) from.push_back(from.back() + length);
  return from;
}

AttentionCase self(const std::vector<int32_t>& lengths, int64_t heads, int64_t head_dim, bool causal, int64_t longest) {
  return {starts(lengths), starts(lengths), heads, head_dim, causal, longest, longest, true};
}

AttentionCase cross(const std::vector<int32_t>& queries, const std::vector<int32_t>& keys, int64_t heads,
                    int64_t head_dim, int64_t longest_query, int64_t longest_key) {
  return {starts(queries), starts(keys), heads, head_dim, false, longest_query, longest_key, false};
}

template <typename T>
void every_length() {
  std::vector<int32_t> lengths;
  for (int32_t length = 1; length <= 128; length += length < 40 ? 1 : 13) lengths.push_back(length);
  lengths.push_back(128);
  compare<T>(self(lengths, 1, 16, true, 128), 0.3);
  compare<T>(self({1, 16, 17, 31, 32, 33, 48, 63, 64}, 1, 16, false, 64), 0);
}

template <typename T>
void every_width() {
  for (int64_t width = 16; width <= 128; width += 16) {
    compare<T>(self({9, 21}, 2, width, width % 32 == 0, 32), 0);
    compare<T>(cross({3, 14}, {21, 40}, 1, width, 14, 40), 0.3);
  }
}

template <typename T>
void odd_shapes() {
  compare<T>(self({1}, 1, 16, true, 1), 0);
  compare<T>(self({5, 7, 30}, 3, 32, true, 100), 0.3);  // a bound that no sequence reaches
  compare<T>(self({37, 18, 0, 0}, 1, 48, true, 40), 0.3);
  compare<T>(cross({3, 17, 1}, {70, 1, 39}, 2, 32, 17, 70), 0.3);
  compare<T>(cross({70, 1, 39}, {3, 17, 1}, 2, 32, 70, 17), 0.3);
  compare<T>(cross({4, 5, 0, 0}, {0, 20, 13, 0}, 2, 16, 5, 20), 0);  // without keys, without queries, without both
}

/// More than a block's shared memory holds: the backward pass goes through the head in chunks.
template <typename T>
void longest_and_widest() {
  compare<T>(self({128, 3}, 1, 128, true, 128), 0.3);
  compare<T>(cross({100}, {128}, 1, 112, 100, 128), 0);
}

const Case lengths_bfloat16{"short attention: every length, bfloat16", every_length<Bfloat16>};
const Case lengths_float16{"short attention: every length, float16", every_length<Half>};
const Case widths_bfloat16{"short attention: every width of head, bfloat16", every_width<Bfloat16>};
const Case widths_float16{"short attention: every width of head, float16", every_width<Half>};
const Case shapes_bfloat16{"short attention: odd shapes, bfloat16", odd_shapes<Bfloat16>};
const Case shapes_float16{"short attention: odd shapes, float16", odd_shapes<Half>};
const Case largest_bfloat16{"short attention: the longest and widest, bfloat16", longest_and_widest<Bfloat16>};
const Case largest_float16{"short attention: the longest and widest, float16", longest_and_widest<Half>};

const Case log_sums{"short attention: keeps the log-sums that the plain path keeps", [] {
                      const int32_t from[] = {0, 19, 40};
                      const Array<Bfloat16> matrix(normal(40 * 96, 1));
                      Array<Bfloat16> out(40 * 32);
                      Array<float> expected(80), found(80);
                      DeviceAttention<Bfloat16> a{};
                      a.query = matrix.data();
                      a.key = matrix.data() + 32;
                      a.value = matrix.data() + 64;
                      a.query_starts = a.key_starts = from;
                      a.query_stride = a.key_stride = 96;
                      a.sequences = a.heads = 2;
                      a.longest_query = a.longest_key = 21;
                      a.head_dim = 16;
                      a.causal = true;
                      a.out = out.data();
                      a.log_sum = expected.data();
                      attention_launchers<Bfloat16>().forward(a, nullptr);
                      a.log_sum = found.data();
                      attention_launchers<Bfloat16>().short_forward(a, nullptr);
                      expect_close("log_sum", found.values(), expected.values(), 2e-6, 2e-6);
                    }};

const Case takes{"short attention: what it takes", [] {
                   DeviceAttention<Half> a{};
                   a.longest_query = a.longest_key = a.head_dim = 128;
                   a.query_stride = 3 * 128;
                   a.key_stride = 2 * 128;
                   expect(short_attention_takes(a), "refuses the longest and widest");
                   expect(!short_attention_takes(DeviceAttention<float>{}), "takes float32");
                   const auto refuses = [&](const char* what, auto change) {
                     DeviceAttention<Half> other = a;
                     change(other);
                     expect(!short_attention_takes(other), std::string("takes ") + what);
                   };
                   refuses("129 queries", [](auto& b) { b.longest_query = 129; });
                   refuses("129 keys", [](auto& b) { b.longest_key = 129; });
                   refuses("heads of 24 columns", [](auto& b) { b.head_dim = 24; });
                   refuses("heads of 144 columns", [](auto& b) { b.head_dim = 144; });
                   refuses("queries of an odd stride", [](auto& b) { b.query_stride = 132; });
                   refuses("keys of an odd stride", [](auto& b) { b.key_stride = 132; });
                   alignas(16) Half memory[16];
                   refuses("queries off a boundary", [&](auto& b) { b.query = memory + 4; });
                   refuses("keys off a boundary", [&](auto& b) { b.key = memory + 4; });
                   refuses("values off a boundary", [&](auto& b) { b.value = memory + 4; });
                   refuses("an output off a boundary", [&](auto& b) { b.out = memory + 4; });
                   refuses("a gradient of outputs off a boundary", [&](auto& b) { b.out_gradient = memory + 4; });
                   refuses("a gradient of queries off a boundary", [&](auto& b) { b.query_gradient = memory + 4; });
                   refuses("a gradient of keys off a boundary", [&](auto& b) { b.key_gradient = memory + 4; });
                   refuses("a gradient of values off a boundary", [&](auto& b) { b.value_gradient = memory + 4; });
                 }};

}  // namespace
}  // namespace rdrop::test
