// The embedding under the emulated grid against the CPU's bodies in double.
#include "ops/embedding/embedding_groups.h"
#include "ops/embedding/embedding_kernel.h"

#include <algorithm>
#include <cmath>

#include "core/kernels.h"
#include "test/cpu_layers.h"

namespace rdrop::test {
namespace {

constexpr int64_t kTypes = 40;

/// Tokens as text has them: some fill many groups, most come once, some are padding.
std::vector<int32_t> some_tokens(int64_t rows) {
  std::vector<int32_t> tokens;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t other = row * 7 % kTypes;
    tokens.push_back(int32_t(row % 2 == 0 ? 4 : row % 5 == 0 ? kPaddingToken : other));
  }
  return tokens;
}

/// As on a device: memory of fixed capacity, of which only the start counts.
std::vector<int32_t> with_capacity(std::vector<int32_t> values, size_t capacity) {
  values.resize(capacity, -1);
  return values;
}

template <typename T>
void compare(int64_t rows, int64_t columns, double p, int64_t blocks, bool typed = false) {
  const size_t size = size_t(rows * columns), table_size = size_t(kTypes * columns);
  const double scale = std::sqrt(double(columns));
  const Dropout dropout{p, (rows + 1) / 2, {portable::stream_key(3, StreamRole::dropout), 70000, 5}};
  const auto& cpu = scalar::kernels<EmbeddingKernels<double>>();
  const std::vector<int32_t> tokens = some_tokens(rows);
  std::vector<int32_t> positions;
  for (int64_t row = 0; row < rows; ++row) positions.push_back(int32_t(row * 3 % 11));
  const Array<T> table(normal(table_size, 1)), gradient(normal(size, 2));
  const Array<float> sinusoids(normal(size_t(11 * columns), 3)), types(normal(size_t(3 * columns), 5));
  const Array<double> table64(table.values()), gradient64(gradient.values()), sinusoids64(sinusoids.values()),
      types64(types.values());
  std::vector<int32_t> type;
  for (int64_t row = 0; row < rows; ++row) type.push_back(int32_t(row * 5 % 3));
  const int32_t* const types_of_rows = typed ? type.data() : nullptr;

  Array<double> expected(size);
  cpu.forward({table64.data(), sinusoids64.data(), tokens.data(), positions.data(), expected.data(), columns, scale,
               dropout, typed ? types64.data() : nullptr, types_of_rows},
              0, rows);
  const std::vector<double> before = normal(table_size, 4);
  Array<float> start(before);
  Array<double> table_gradient64(start.values());
  cpu.backward({gradient64.data(), tokens.data(), table_gradient64.data(), rows, columns, scale, dropout}, 0, 1);
  std::vector<double> expected_gradient = table_gradient64.values();
  for (int64_t c = kPaddingToken * columns; c < (kPaddingToken + 1) * columns; ++c) {
    expected_gradient[size_t(c)] = start.values()[size_t(c)];
  }
  const TokenGroups groups = embedding_groups(tokens);
  const size_t capacity = size_t(rows) + 5;
  const std::vector<int32_t> order = with_capacity(groups.order, capacity),
                             starts = with_capacity(groups.starts, capacity + 1),
                             group_tokens = with_capacity(groups.tokens, capacity),
                             count = {int32_t(groups.tokens.size())};
  in_every_order([&] {
    Array<T> out(size);
    embedding_launchers<T>().forward({table.data(), sinusoids.data(), tokens.data(), positions.data(), out.data(),
                                      columns, scale, dropout, typed ? types.data() : nullptr, types_of_rows},
                                     rows, nullptr);
    expect_close("out", out.values(), expected.values(), 4 * roundoff<T>(), 2e-6);
    Array<float> table_gradient(start.values());
    const size_t scratch_rows = size_t(embedding_partial_rows(rows));
    Array<float> partial(std::vector<double>(scratch_rows * size_t(columns), std::nan("")));
    embedding_launchers<T>().backward({gradient.data(), order.data(), starts.data(), group_tokens.data(), count.data(),
                                       table_gradient.data(), partial.data(), columns, scale, dropout},
                                      blocks, nullptr);
    expect_close("table gradient", table_gradient.values(), expected_gradient, 1e-6, 1e-5 * scale);
  });
}

template <typename T>
void all_shapes() {
  for (const int64_t columns : {1, 7, 16, 63, 130}) {
    compare<T>(1, columns, 0.3, 3);
    compare<T>(90, columns, 0.3, 5);
    compare<T>(90, columns, 0.3, 5, true);
  }
  compare<T>(40, 64, 0, 2);
  compare<T>(40, 64, 0, 2, true);
  compare<T>(20, 560, 0.3, 4);  // more columns than a warp sums
  compare<T>(0, 64, 0.3, 0);
}

const Case float32{"embedding: float32", all_shapes<float>};
const Case bfloat16{"embedding: bfloat16", all_shapes<Bfloat16>};
const Case float16{"embedding: float16", all_shapes<Half>};

const Case many_groups{"embedding: a token of more groups than a warp has lanes", [] {
                         compare<float>(32 * 8 * 2 + 32, 5, 0.3, 7);
                         compare<float>(64 * 8 * 2 + 32, 5, 0.3, 7);
                       }};

const Case grouping{"embedding: groups hold each row once, in order, at least half full where a token has several", [] {
                      for (const int64_t rows : {0, 1, 7, 90, 700}) {
                        const std::vector<int32_t> tokens = some_tokens(rows);
                        const TokenGroups groups = embedding_groups(tokens);
                        expect(groups.starts.size() == groups.tokens.size() + 1, "a start a group and an end");
                        expect(groups.starts.back() == int32_t(groups.order.size()), "the end of the rows");
                        size_t real = 0;
                        for (const int32_t token : tokens) real += token != kPaddingToken;
                        expect(groups.order.size() == real, "every row but those of padding");
                        for (size_t i = 0; i + 1 < groups.order.size(); ++i) {
                          const int32_t a = groups.order[i], b = groups.order[i + 1];
                          const int32_t first = tokens[size_t(a)], second = tokens[size_t(b)];
                          expect(first < second || (first == second && a < b), "sorted by token, then by row");
                        }
                        for (size_t u = 0; u < groups.tokens.size(); ++u) {
                          const int32_t size = groups.starts[u + 1] - groups.starts[u];
                          const bool several =
                              (u > 0 && groups.tokens[u - 1] == groups.tokens[u]) ||
                              (u + 1 < groups.tokens.size() && groups.tokens[u + 1] == groups.tokens[u]);
                          expect(size >= (several ? kGroupRows / 2 : 1) && size <= kGroupRows, "the size of a group");
                          for (int32_t i = groups.starts[u]; i < groups.starts[u + 1]; ++i) {
                            expect(tokens[size_t(groups.order[size_t(i)])] == groups.tokens[u], "the token of a group");
                          }
                        }
                      }
                    }};

const Case every_id{
    "embedding: groups without padding hold every row", [] {
      const std::vector<int32_t> ids{1, 0, 1, 1, 0, 2, 1};
      std::vector<int32_t> order(7), starts(8), of_groups(7);
      const int64_t groups = write_embedding_groups(ids.data(), 7, order.data(), starts.data(), of_groups.data(), -1);
      expect(groups == 3 && starts[3] == 7, "three groups of all rows");
      expect(order == std::vector<int32_t>{1, 4, 0, 2, 3, 6, 5}, "by id, then by row");
      const int64_t zero = write_embedding_groups(ids.data(), 0, order.data(), starts.data(), of_groups.data(), -1);
      expect(zero == 0 && starts[0] == 0, "no rows, no groups");
    }};

// On the CPU, in every instruction set.

template <typename T>
void compare_embedding(int64_t columns, double p, bool typed) {
  using W = Wide<T>;
  constexpr int64_t types = 7;
  const std::vector<int32_t> tokens{3, 6, 3, 0, 5, 3}, positions{2, 0, 1, 2, 3, 3};
  const int64_t rows = int64_t(tokens.size());
  const size_t size = size_t(rows * columns);
  const Array<T> table(normal(size_t(types * columns), 1)), gradient(normal(size, 2));
  const Array<W> sinusoids(normal(size_t(4 * columns), 3)), start(normal(size_t(types * columns), 4)),
      segments(normal(size_t(2 * columns), 5));
  const std::vector<int32_t> segment{0, 1, 1, 0, 0, 1};
  const Dropout dropout = some_dropout(p, rows);
  const double scale = std::sqrt(double(columns));
  const std::vector<double> keep = keep_factors(dropout, rows, columns), entry = table.values(),
                            wave = sinusoids.values(), slope = gradient.values(), part = segments.values();
  std::vector<double> out(size), sums = start.values();
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < columns; ++c) {
      const size_t at = size_t(row * columns + c), from = size_t(tokens[size_t(row)] * columns + c);
      const double extra = typed ? part[size_t(segment[size_t(row)] * columns + c)] : 0;
      out[at] = keep[at] * (scale * entry[from] + wave[size_t(positions[size_t(row)] * columns + c)] + extra);
      sums[from] += scale * keep[at] * slope[at];
    }
  }
  in_every_set([&](const std::string& set) {
    const auto& kernel = kernels<EmbeddingKernels<T>>();
    Array<T> found(size);
    Array<W> found_sums(start.values());
    kernel.forward({table.data(), sinusoids.data(), tokens.data(), positions.data(), found.data(), columns, scale,
                    dropout, typed ? segments.data() : nullptr, typed ? segment.data() : nullptr},
                   0, rows);
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
void all_on_cpu() {
  for (const double p : {0.0, 0.3}) {
    for (const int64_t columns : {2, 18, 64, 66, 512}) {
      for (const bool typed : {false, true}) compare_embedding<T>(columns, p, typed);
    }
  }
}

const Case cpu_float32{"the CPU's embedding in float32, every instruction set", all_on_cpu<float>};
const Case cpu_float64{"the CPU's embedding in float64, every instruction set", all_on_cpu<double>};
const Case cpu_bfloat16{"the CPU's embedding in bfloat16, every instruction set", all_on_cpu<Bfloat16>};

}  // namespace
}  // namespace rdrop::test
