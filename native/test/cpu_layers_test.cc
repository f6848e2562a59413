// Embedding, activation, attention and Adam on the CPU, in every instruction set and type: against their formulas, and
// attention, whose scalar body in double the comparisons with fairseq judge, against that.
#include "test/cpu_layers.h"

#include <cmath>
#include <limits>

namespace rdrop::test {
namespace {

template <typename T>
void compare_embedding(int64_t columns, double p) {
  using W = Wide<T>;
  constexpr int64_t types = 7;
  const std::vector<int32_t> tokens{3, 6, 3, 0, 5, 3}, positions{2, 0, 1, 2, 3, 3};
  const int64_t rows = int64_t(tokens.size());
  const size_t size = size_t(rows * columns);
  const Array<T> table(normal(size_t(types * columns), 1)), gradient(normal(size, 2));
  const Array<W> sinusoids(normal(size_t(4 * columns), 3)), start(normal(size_t(types * columns), 4));
  const Dropout dropout = some_dropout(p, rows);
  const double scale = std::sqrt(double(columns));
  const std::vector<double> keep = keep_factors(dropout, rows, columns), entry = table.values(),
                            wave = sinusoids.values(), slope = gradient.values();
  std::vector<double> out(size), sums = start.values();
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < columns; ++c) {
      const size_t at = size_t(row * columns + c), from = size_t(tokens[size_t(row)] * columns + c);
      out[at] = keep[at] * (scale * entry[from] + wave[size_t(positions[size_t(row)] * columns + c)]);
      sums[from] += scale * keep[at] * slope[at];
    }
  }
  in_every_set([&](const std::string& set) {
    const auto& kernel = kernels().layers<T>().embedding;
    Array<T> found(size);
    Array<W> found_sums(start.values());
    kernel.forward(
        {table.data(), sinusoids.data(), tokens.data(), positions.data(), found.data(), columns, scale, dropout}, 0,
        rows);
    for (int64_t part = 0; part < 2; ++part) {
      kernel.backward({gradient.data(), tokens.data(), found_sums.data(), rows, columns, scale, dropout}, part, 2);
    }
    const std::string where = set + " " + type_name<T>() + " " + std::to_string(columns) + " columns: ";
    expect_close(where + "embedding", found.values(), out, allowance<T>(), allowance<T>() * scale);
    // Sums and their gradient are wide: what was rounded is the input, which the reference shares.
    expect_close(where + "table", found_sums.values(), sums, allowance<W>(4), allowance<W>(4) * scale);
  });
}

template <typename T>
void compare_activation(Activation kind, int64_t columns, bool has_bias, double p) {
  using W = Wide<T>;
  constexpr int64_t rows = 5;
  const size_t size = size_t(rows * columns), width = size_t(columns);
  const Array<T> in(normal(size, 1)), gradient(normal(size, 2)), bias(normal(width, 3, 0.4));
  const Dropout dropout = some_dropout(p, rows);
  const std::vector<double> keep = keep_factors(dropout, rows, columns), x = in.values(), b = bias.values(),
                            dy = gradient.values();
  std::vector<double> out(size), dx(size), sums(width);
  for (size_t i = 0; i < size; ++i) {
    const double z = x[i] + (has_bias ? b[i % width] : 0);
    const double cdf = 0.5 * std::erfc(-z / std::sqrt(2.0)), pdf = std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
    out[i] = keep[i] * (kind == Activation::relu ? std::max(z, 0.0) : z * cdf);
    dx[i] = keep[i] * dy[i] * (kind == Activation::relu ? double(z > 0) : cdf + z * pdf);
    sums[i % width] += dx[i];
  }
  in_every_set([&](const std::string& set) {
    const auto& kernel = kernels().layers<T>().activation;
    Array<T> found(in.values()), found_gradient(gradient.values());
    Array<W> found_sums(width);
    const Array<T> input(in.values());
    const T* given = kind == Activation::relu ? found.data() : input.data();
    kernel.forward({given, found.data(), columns, kind, dropout, has_bias ? bias.data() : nullptr}, 0, rows);
    kernel.backward({kind == Activation::relu ? found.data() : input.data(), found_gradient.data(), columns, kind,
                     dropout, has_bias ? bias.data() : nullptr, has_bias ? found_sums.data() : nullptr},
                    0, rows);
    const std::string where = set + " " + type_name<T>() + " " + std::to_string(columns) + " columns: ";
    expect_close(where + "activation", found.values(), out, 2 * allowance<T>(), 2 * allowance<T>());
    expect_close(where + "gradient", found_gradient.values(), dx, 2 * allowance<T>(), 2 * allowance<T>());
    if (has_bias) expect_close(where + "bias", found_sums.values(), sums, 4 * allowance<T>(2), 8 * allowance<T>(2));
  });
}

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
  const auto& kernel = kernels().layers<T>().attention;
  kernel.forward(a, 0, sequences * heads);
  kernel.backward(a, 0, sequences * heads);
  return {out.values(), query.values(), key.values()};
}

template <typename T>
void compare_attention(int64_t heads, int64_t head_dim, bool causal, double p) {
  const std::vector<int32_t> query_offsets{0, 1, 6, 23, 42};
  const std::vector<int32_t> key_offsets = causal ? query_offsets : std::vector<int32_t>{0, 4, 5, 38, 54};
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

void compare_adam(size_t size) {
  const Array<float> parameter(normal(size, 1)), gradient(normal(size, 2)), first(normal(size, 3));
  std::vector<double> squares = normal(size, 4);
  for (double& x : squares) x *= x;
  const Array<float> second(squares);
  in_every_set([&](const std::string& set) {
    Array<float> p(parameter.values()), g(gradient.values()), m(first.values()), v(second.values());
    Array<Bfloat16> copy(size);
    const AdamStep<float> step{p.data(), g.data(), m.data(), v.data(), 0.5, 0.9, 0.98, 1e-8, 1e-4, 1e-3, copy.data()};
    kernels().wide<float>().adam.step(step, 0, int64_t(size / 2));
    kernels().wide<float>().adam.step(step, int64_t(size / 2), int64_t(size));
    std::vector<double> expected = parameter.values();
    for (size_t i = 0; i < size; ++i) {
      const double slope = 0.5 * gradient.values()[i], moment = 0.9 * first.values()[i] + 0.1 * slope;
      const double square = 0.98 * second.values()[i] + 0.02 * slope * slope;
      expected[i] += -1e-4 * expected[i] - 1e-3 * moment / (std::sqrt(square) + 1e-8);
    }
    expect_close(set + ": parameter", p.values(), expected, 1e-6, 1e-6);
    expect(copy.values() == Array<Bfloat16>(p.values()).values(), set + ": the copy is not the parameter, rounded");
    expect(g.values() == std::vector<double>(size, 0.0), set + ": the gradient was not cleared");
  });
}

void compare_rounding(int64_t columns, bool bias, bool add) {
  constexpr int64_t rows = 3;
  const int64_t from_stride = columns + 1, to_stride = columns + 5;
  const size_t size = size_t(rows * to_stride);
  const Array<float> from(normal(size_t(rows * from_stride), 1));
  const Array<Bfloat16> addend(normal(size_t(columns), 2)), before(normal(size, 3));
  in_every_set([&](const std::string& set) {
    Array<Bfloat16> to(before.values()), expected(before.values());  // what lies between the rows stays
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t c = 0; c < columns; ++c) {
        const int64_t at = row * to_stride + c;
        float x = from.data()[row * from_stride + c];
        if (bias) x += portable::wide(addend.data()[c]);
        if (add) x += portable::wide(before.data()[at]);
        expected.data()[at] = portable::rounded<Bfloat16>(x);
      }
    }
    const Rounding rounding{from.data(), from_stride, bias ? addend.data() : nullptr, to.data(), to_stride,
                            columns,     add};
    kernels().rounding.round(rounding, 0, 1);
    kernels().rounding.round(rounding, 1, rows);
    expect(to.values() == expected.values(), set + ": a product is not rounded once");
    const Array<float> start(normal(size, 4));
    Array<float> sum(start.values());
    kernels().rounding.add_widened(before.data(), sum.data(), 1, int64_t(size));
    std::vector<double> sums = start.values();
    for (size_t i = 1; i < size; ++i) sums[i] = double(start.data()[i] + portable::wide(before.data()[i]));
    expect(sum.values() == sums, set + ": a bfloat16 product is not added");
  });
}

template <typename T>
void compare_layers() {
  for (const double p : {0.0, 0.3}) {
    for (const int64_t columns : {2, 18, 64, 66, 512}) compare_embedding<T>(columns, p);
    for (const int64_t columns : {1, 7, 64, 130}) {
      for (const bool bias : {false, true}) {
        compare_activation<T>(Activation::relu, columns, bias, p);
        compare_activation<T>(Activation::gelu, columns, bias, p);
      }
    }
    for (const bool causal : {false, true}) {
      compare_attention<T>(2, 5, causal, p);
      compare_attention<T>(3, 16, causal, p);
      compare_attention<T>(1, 40, causal, p);
    }
  }
  refuse_odd_scores<T>();
}

const Case float32_layers{"the CPU's layers in float32, every instruction set", compare_layers<float>};
const Case float64_layers{"the CPU's layers in float64, every instruction set", compare_layers<double>};
const Case bfloat16_layers{"the CPU's layers in bfloat16, every instruction set", compare_layers<Bfloat16>};
const Case rounding{"the CPU's rounding of products, every instruction set", [] {
                      for (const int64_t columns : {1, 15, 32, 67}) {
                        for (const bool bias : {false, true}) {
                          for (const bool add : {false, true}) compare_rounding(columns, bias, add);
                        }
                      }
                    }};
const Case adam{"the CPU's Adam writes the rounded copy, every instruction set", [] {
                  for (const size_t size : {1, 15, 16, 100, 1000}) compare_adam(size);
                }};

}  // namespace
}  // namespace rdrop::test
