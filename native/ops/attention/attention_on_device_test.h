// What the tests of the device's kernels of attention share: shapes, and the comparison with the CPU's bodies in
// double.
#pragma once

#include <algorithm>
#include <cmath>

#include "ops/attention/attention_kernel.h"
#include "ops/attention/device_attention.h"
#include "test/check.h"

namespace rdrop::test {

struct AttentionCase {
  std::vector<int32_t> query_starts, key_starts;  // [n+1]
  int64_t heads, head_dim;
  bool causal;
  int64_t longest_query, longest_key;  // bounds, which the sequences need not reach
  bool fused;                          // query, key and value are slices of one matrix
};

/// A matrix of R rows that is a slice of a wider one: columns [first, first + columns) of `stride`.
template <typename T>
struct Slice {
  Array<T>* memory;
  int64_t first;
  T* data() const { return memory->data() + first; }
  /// The elements of the slice alone.
  std::vector<double> values(int64_t rows, int64_t columns, int64_t stride) const {
    const std::vector<double> all = memory->values();
    std::vector<double> some;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t c = 0; c < columns; ++c) some.push_back(all[size_t(row * stride + first + c)]);
    }
    return some;
  }
};

/// Queries, keys and values of a case, or their gradients.
template <typename T>
struct AttentionOperands {
  Array<T> query_memory, key_memory;
  Slice<T> query, key, value;

  AttentionOperands(const std::vector<double>& queries, const std::vector<double>& keys, const AttentionCase& shape)
      : query_memory(queries), key_memory(keys) {
    const int64_t width = shape.heads * shape.head_dim;
    query = {&query_memory, 0};
    key = {shape.fused ? &query_memory : &key_memory, shape.fused ? width : 0};
    value = {key.memory, key.first + width};
  }
};

/// What kernels may be off by.
struct AttentionBounds {
  double relative, out, gradient;  ///< the latter two absolutely
};

/// Runs a device's kernels under the emulated grid, in every order of threads, against the CPU's.
template <typename T>
void compare_on_device(AttentionLauncher<T> forward, AttentionLauncher<T> backward, const AttentionCase& shape,
                       double p, const AttentionBounds& bounds) {
  const int64_t width = shape.heads * shape.head_dim, sequences = int64_t(shape.query_starts.size()) - 1;
  const int64_t queries = shape.query_starts.back(), keys = shape.key_starts.back();
  const int64_t query_stride = shape.fused ? 3 * width : width, key_stride = shape.fused ? 3 * width : 2 * width;
  const size_t query_size = size_t(queries * query_stride), key_size = shape.fused ? 0 : size_t(keys * key_stride);
  const size_t out_size = size_t(queries * width);
  const Dropout dropout{p, (queries + 1) / 2 * shape.heads, {portable::stream_key(3, StreamRole::dropout), 70000, 5}};

  const AttentionOperands<T> inputs(normal(query_size, 1), normal(key_size, 2), shape);
  const Array<T> upstream(normal(out_size, 3));
  const AttentionOperands<double> exact(inputs.query_memory.values(), inputs.key_memory.values(), shape);
  const Array<double> exact_upstream(upstream.values());
  AttentionOperands<double> expected(std::vector<double>(query_size), std::vector<double>(key_size), shape);
  Array<double> expected_out(out_size);

  // The CPU has no sequences without queries and keys: they are left out there.
  std::vector<int32_t> offsets{0}, begin, end;
  std::vector<int64_t> probability_offsets;
  int64_t probabilities = 0, scratch_size = 0;
  for (int64_t i = 0; i < sequences; ++i) {
    const int64_t own = shape.query_starts[i + 1] - shape.query_starts[i];
    const int64_t other = shape.key_starts[i + 1] - shape.key_starts[i];
    if (own == 0 && other == 0) continue;
    offsets.push_back(shape.query_starts[i + 1]);
    begin.push_back(shape.key_starts[i]);
    end.push_back(shape.key_starts[i + 1]);
    probability_offsets.push_back(probabilities);
    probabilities += shape.heads * own * attention_padded(other);
    scratch_size = std::max(scratch_size, attention_scratch(own, other, shape.head_dim, false));
  }
  Array<double> probability{size_t(probabilities)}, scratch{size_t(scratch_size)};
  Attention<double> cpu{};
  cpu.query = exact.query.data();
  cpu.key = exact.key.data();
  cpu.value = exact.value.data();
  cpu.out = expected_out.data();
  cpu.probability = probability.data();
  cpu.query_offsets = offsets.data();
  cpu.key_begin = begin.data();
  cpu.key_end = end.data();
  cpu.probability_offsets = probability_offsets.data();
  cpu.query_stride = query_stride;
  cpu.key_stride = key_stride;
  cpu.heads = shape.heads;
  cpu.head_dim = shape.head_dim;
  cpu.causal = shape.causal;
  cpu.dropout = dropout;
  cpu.scratch = scratch.data();
  cpu.out_gradient = exact_upstream.data();
  cpu.query_gradient = expected.query.data();
  cpu.key_gradient = expected.key.data();
  cpu.value_gradient = expected.value.data();
  const int64_t items = int64_t(begin.size()) * shape.heads;
  scalar::kernels<AttentionKernels<double>>().forward(cpu, 0, items);
  scalar::kernels<AttentionKernels<double>>().backward(cpu, 0, items);

  in_every_order([&] {
    const double nan = std::nan("");
    Array<T> out(std::vector<double>(out_size, nan));
    Array<float> log_sum(std::vector<double>(size_t(queries * shape.heads), nan)),
        slope(std::vector<double>(size_t(queries * shape.heads), nan));
    const AttentionOperands<T> actual(std::vector<double>(query_size, nan), std::vector<double>(key_size, nan), shape);
    DeviceAttention<T> a{};
    a.query = inputs.query.data();
    a.key = inputs.key.data();
    a.value = inputs.value.data();
    a.query_starts = shape.query_starts.data();
    a.key_starts = shape.key_starts.data();
    a.query_stride = query_stride;
    a.key_stride = key_stride;
    a.sequences = sequences;
    a.longest_query = shape.longest_query;
    a.longest_key = shape.longest_key;
    a.heads = shape.heads;
    a.head_dim = shape.head_dim;
    a.causal = shape.causal;
    a.dropout = dropout;
    a.out = out.data();
    a.log_sum = log_sum.data();
    forward(a, nullptr);
    expect_close("out", out.values(), expected_out.values(), bounds.relative, bounds.out);

    a.out_gradient = upstream.data();
    a.slope = slope.data();
    a.query_gradient = actual.query.data();
    a.key_gradient = actual.key.data();
    a.value_gradient = actual.value.data();
    backward(a, nullptr);
    const auto gradient = [&](const char* what, const Slice<T>& of, const Slice<double>& to, int64_t rows,
                              int64_t stride) {
      expect_close(what, of.values(rows, width, stride), to.values(rows, width, stride), bounds.relative,
                   bounds.gradient);
    };
    gradient("query gradient", actual.query, expected.query, queries, query_stride);
    gradient("key gradient", actual.key, expected.key, keys, key_stride);
    gradient("value gradient", actual.value, expected.value, keys, key_stride);
  });
}

}  // namespace rdrop::test
