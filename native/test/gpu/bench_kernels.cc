// All kernels but the loss: see bench.h. R rows of both passes, D width, F inner width, V types, P parameters;
// activations in bfloat16.
#include <algorithm>

#include "ops/activation/activation_kernel.h"
#include "ops/adam/adam_coefficients.h"
#include "ops/adam/adam_kernel.h"
#include "ops/attention/device_attention.h"
#include "ops/column_sums/column_sums_kernel.h"
#include "ops/dropout_residual_norm/dropout_residual_norm_kernel.h"
#include "ops/embedding/embedding_groups.h"
#include "ops/embedding/embedding_kernel.h"
#include "test/gpu/bench.h"

namespace rdrop::test {
namespace {

using T = Bfloat16;
constexpr int64_t kHalf = 2, kFull = 4;

std::string times(int64_t a, int64_t b) {
  return std::to_string(a) + " x " + std::to_string(b);
}

Dropout dropout_of(double p, int64_t rows, uint32_t site) {
  return {p, (rows + 1) / 2, {portable::stream_key(64, StreamRole::dropout), 1 << 16, site}};
}

void add_norm(std::vector<Benchmark>& all, const BenchShapes& s) {
  const int64_t rows = s.rows, d = s.width, bytes = 4 * kHalf * rows * d + 2 * kFull * rows;
  const std::string part = "residual + dropout + norm", shape = times(rows, d);
  all.push_back({part, "forward", "bfloat16", shape, bytes,
                 [=](BenchMemory& memory) -> Launch {
                   DropoutResidualNormForward<T, float> a{};
                   a.residual = memory.normal<T>(rows * d, 1);
                   a.sum = memory.normal<T>(rows * d, 2);
                   a.gamma = memory.normal<float>(d, 3);
                   a.beta = memory.normal<float>(d, 4);
                   a.normed = memory.empty<T>(rows * d);
                   a.mean = memory.empty<float>(rows);
                   a.rstd = memory.empty<float>(rows);
                   a.columns = d;
                   a.epsilon = 1e-5;
                   a.dropout = dropout_of(0.3, rows, 3);
                   return [=](void* stream) { dropout_residual_norm_launchers<T>().forward(a, rows, stream); };
                 },
                 "", 0, 0});
  const int64_t blocks = std::min(int64_t(2 * s.multiprocessors), dropout_residual_norm_blocks(rows, d));
  all.push_back({part, "backward", "bfloat16", shape, bytes,
                 [=](BenchMemory& memory) -> Launch {
                   DropoutResidualNormBackward<T, float> a{};
                   a.normed_gradient = memory.normal<T>(rows * d, 1);
                   a.sum = memory.normal<T>(rows * d, 2);
                   a.gamma = memory.normal<float>(d, 3);
                   a.mean = memory.normal<float>(rows, 4, 0.1);
                   a.rstd = memory.normal<float>(rows, 5);
                   a.residual_gradient = memory.empty<T>(rows * d);
                   a.branch_gradient = memory.empty<T>(rows * d);
                   a.columns = d;
                   a.dropout = dropout_of(0.3, rows, 3);
                   float* partial = memory.empty<float>(blocks * 3 * d);
                   return [=](void* stream) {
                     dropout_residual_norm_launchers<T>().backward(a, rows, blocks, partial, stream);
                   };
                 },
                 "", 0, 0});
}

void add_activation(std::vector<Benchmark>& all, const BenchShapes& s) {
  const int64_t rows = s.rows, f = s.inner, multiprocessors = s.multiprocessors;
  all.push_back({"activation", "backward", "bfloat16", times(rows, f), 3 * kHalf * rows * f,
                 [=](BenchMemory& memory) -> Launch {
                   const T* saved = memory.normal<T>(rows * f, 1);
                   T* gradient = memory.normal<T>(rows * f, 2);
                   const int64_t ranges = activation_ranges(rows, f, 4 * multiprocessors);
                   float* partial = memory.empty<float>(ranges * f);
                   return [=](void* stream) {
                     activation_launchers<T>().backward({saved, gradient, f, Activation::relu, dropout_of(0, rows, 5)},
                                                        rows, ranges, partial, stream);
                   };
                 },
                 "", 0, 0});
}

void add_column_sums(std::vector<Benchmark>& all, const BenchShapes& s, int64_t columns) {
  const int64_t rows = s.rows, blocks = 4 * s.multiprocessors;
  all.push_back({"bias gradients", "backward", "bfloat16", times(rows, columns),
                 kHalf * rows * columns + 2 * kFull * columns,
                 [=](BenchMemory& memory) -> Launch {
                   const T* x = memory.normal<T>(rows * columns, 1);
                   float* out = memory.zeros<float>(columns);
                   const int64_t ranges = column_sums_ranges(rows, columns, blocks);
                   float* partial = memory.empty<float>(ranges * columns);
                   return [=](void* stream) {
                     const ColumnSum<T> first{x, partial, rows, columns, columns, ranges, false};
                     const ColumnSum<float> second{partial, out, ranges, columns, columns, 1, true};
                     column_sums_launchers<T>().sum(&first, 1, stream);
                     column_sums_launchers<float>().sum(&second, 1, stream);
                   };
                 },
                 "", 0, 0});
}

/// Sentences of 25 tokens, the mean of IWSLT'14, side by side as the fused projection writes them.
void add_attention(std::vector<Benchmark>& all, const BenchShapes& s) {
  constexpr int64_t kLength = 25, kHeads = 4;
  const int64_t sequences = s.rows / kLength, rows = s.rows, d = s.width;
  const auto arguments = [=](BenchMemory& memory) {
    DeviceAttention<T> a{};
    T* const from = memory.normal<T>(3 * rows * d, 1);
    a.query = from;
    a.key = from + d;
    a.value = from + 2 * d;
    std::vector<int32_t> starts{0};
    for (int64_t i = 1; i <= sequences; ++i) starts.push_back(int32_t(i == sequences ? rows : i * kLength));
    a.query_starts = a.key_starts = memory.upload(starts);
    a.query_stride = a.key_stride = 3 * d;
    a.sequences = sequences;
    a.longest_query = a.longest_key = 64;
    a.heads = kHeads;
    a.head_dim = d / kHeads;
    a.dropout = dropout_of(0, rows, 7);
    a.out = memory.empty<T>(rows * d);
    a.log_sum = memory.zeros<float>(rows * kHeads);
    return a;
  };
  const std::string part = "attention in the encoder",
                    shape = std::to_string(sequences) + " x 25 x " + std::to_string(d);
  all.push_back({part, "forward", "bfloat16", shape, kHalf * d * 4 * rows + kFull * kHeads * rows,
                 [=](BenchMemory& memory) -> Launch {
                   const DeviceAttention<T> a = arguments(memory);
                   return [=](void* stream) { short_forward<T>()(a, stream); };
                 },
                 "", 0, 0});
  all.push_back({part, "backward", "bfloat16", shape, kHalf * d * 7 * rows + kFull * kHeads * rows,
                 [=](BenchMemory& memory) -> Launch {
                   DeviceAttention<T> a = arguments(memory);
                   a.out_gradient = memory.normal<T>(rows * d, 2);
                   T* const to = memory.empty<T>(3 * rows * d);
                   a.query_gradient = to;
                   a.key_gradient = to + d;
                   a.value_gradient = to + 2 * d;
                   short_forward<T>()(a, nullptr);  // for log_sum
                   return [=](void* stream) { short_backward<T>()(a, stream); };
                 },
                 "", 0, 0});
}

std::vector<int32_t> tokens_of(const BenchShapes& s) {
  // Few types often and many seldom, as words are.
  std::vector<int32_t> tokens;
  uint32_t state = 64;
  for (int64_t i = 0; i < s.rows; ++i) {
    state = state * 1664525u + 1013904223u;
    const double u = double(state >> 8) / double(1 << 24);
    tokens.push_back(int32_t(4 + int64_t(u * u * u * double(s.types - 4))));
  }
  return tokens;
}

void add_embedding(std::vector<Benchmark>& all, const BenchShapes& s) {
  const int64_t rows = s.rows, d = s.width, types = s.types;
  const std::string part = "embedding + position + dropout";
  const std::vector<int32_t> tokens = tokens_of(s);
  const TokenGroups groups = embedding_groups(tokens);
  all.push_back({part, "forward", "bfloat16", times(rows, d), 2 * kHalf * rows * d + kFull * rows,
                 [=](BenchMemory& memory) -> Launch {
                   EmbeddingForward<T, float> a{};
                   a.table = memory.normal<T>(types * d, 1);
                   a.positions = memory.normal<float>(64 * d, 2);
                   a.tokens = memory.upload(tokens);
                   std::vector<int32_t> position;
                   for (int64_t i = 0; i < rows; ++i) position.push_back(int32_t(2 + i % 25));
                   a.position = memory.upload(position);
                   a.out = memory.empty<T>(rows * d);
                   a.columns = d;
                   a.scale = 22.6;
                   a.dropout = dropout_of(0.3, rows, 1);
                   return [=](void* stream) { embedding_launchers<T>().forward(a, rows, stream); };
                 },
                 "", 0, 0});
  const int64_t blocks = std::min<int64_t>(rows, 8 * s.multiprocessors);
  // As counts.mjs: a type is read and written once, at most as many as one pass has tokens.
  all.push_back({part, "backward", "bfloat16", times(rows, d),
                 kHalf * rows * d + 2 * kFull * std::min(rows / 2, types) * d,
                 [=](BenchMemory& memory) -> Launch {
                   EmbeddingGroupsBackward<T> a{};
                   a.gradient = memory.normal<T>(rows * d, 1);
                   a.order = memory.upload(groups.order);
                   a.starts = memory.upload(groups.starts);
                   a.tokens = memory.upload(groups.tokens);
                   a.groups = memory.upload(std::vector<int32_t>{int32_t(groups.tokens.size())});
                   a.table_gradient = memory.zeros<float>(types * d);
                   a.partial = memory.empty<float>(embedding_partial_rows(rows) * d);
                   a.columns = d;
                   a.scale = 22.6;
                   a.dropout = dropout_of(0.3, rows, 1);
                   return [=](void* stream) { embedding_launchers<T>().backward(a, blocks, stream); };
                 },
                 "", 0, 0});
}

void add_update(std::vector<Benchmark>& all, const BenchShapes& s) {
  const int64_t p = s.parameters, blocks = 4 * s.multiprocessors;
  all.push_back(
      {"gradient norm", "update", "float32", std::to_string(p), kFull * p,
       [=](BenchMemory& memory) -> Launch {
         const SumOfSquares a{memory.normal<float>(p, 1), p, memory.empty<double>(1), memory.empty<double>(blocks)};
         return [=](void* stream) { adam_launchers<T>().sum_of_squares(a, blocks, stream); };
       },
       "", 0, 0});
  all.push_back({"optimizer", "update", "bfloat16", std::to_string(p), (7 * kFull + kHalf) * p,
                 [=](BenchMemory& memory) -> Launch {
                   AdamOnDevice<T> a{};
                   a.parameter = memory.normal<float>(p, 1);
                   a.gradient = memory.normal<float>(p, 2);
                   a.first_moment = memory.zeros<float>(p);
                   a.second_moment = memory.zeros<float>(p);
                   a.copy = memory.empty<T>(p);
                   a.coefficients = memory.upload(std::vector<AdamCoefficients>{{1e-3f, 5e-8f, 1e-4f, 1}});
                   a.size = p;
                   a.beta1 = 0.9;
                   a.beta2 = 0.98;
                   a.epsilon = 1e-8;
                   return [=](void* stream) { adam_launchers<T>().step(a, stream); };
                 },
                 "", 0, 0});
}

}  // namespace

std::vector<Benchmark> kernel_benchmarks(const BenchShapes& shapes) {
  std::vector<Benchmark> all;
  add_norm(all, shapes);
  add_activation(all, shapes);
  for (const int64_t columns : {3 * shapes.width, 12 * shapes.width}) add_column_sums(all, shapes, columns);
  add_attention(all, shapes);
  add_embedding(all, shapes);
  add_update(all, shapes);
  return all;
}

}  // namespace rdrop::test
