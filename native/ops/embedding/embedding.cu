// The embedding on a device. R rows, D columns. Forward: a warp a row. Backward, two launches: a warp sums 512 columns
// of a group, at most kGroupRows rows; then the groups of frequent tokens are added up, so that no warp has hundreds of
// rows to sum. Neither launch knows on the host how many groups there are: its blocks share what there is.
#include "device/launch.h"
#include "device/reduce.h"
#include "core/dropout_block.h"
#include "ops/embedding/embedding_groups.h"
#include "ops/embedding/embedding_kernel.h"

namespace rdrop {
namespace {

using namespace portable;

constexpr int kWarps = 4;

template <typename T>
struct ForwardKernel {
  static constexpr int max_threads = kWarps * 32;
  EmbeddingForward<T, float> a;
  int64_t rows;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const int64_t row = block.index() * kWarps + block.thread() / 32;
    if (row >= rows) return;
    const T* entry = a.table + int64_t(a.tokens[row]) * a.columns;
    const float* position = a.positions + int64_t(a.position[row]) * a.columns;
    const float* type = a.types ? a.types + int64_t(a.type[row]) * a.columns : nullptr;
    const float scale = float(a.scale);
    const RowDropout dropout(a.dropout, row, a.columns);
    // Learned tables lie wherever the parameter before ends.
    const bool whole = whole_fours(a.columns), whole_table = whole && on_boundary(a.table),
               whole_positions = whole && on_boundary(a.positions), whole_types = whole && on_boundary(a.types);
    for (int64_t group = block.thread() % 32; group < dropout.groups(); group += 32) {
      dropout.visit(group, [&](int, int64_t column, int count, const float* keep) {
        float x[4], place[4], segment[4] = {0, 0, 0, 0};
        load_four(entry + column, whole_table, count, x);
        load_four(position + column, whole_positions, count, place);
        if (type) load_four(type + column, whole_types, count, segment);
        RDROP_UNROLL
        for (int i = 0; i < 4; ++i) x[i] = keep[i] * (scale * x[i] + place[i] + segment[i]);
        store_four(a.out + row * a.columns + column, whole, count, x);
      });
    }
  }
};

/// Whether a group is the first of its token, or the last.
template <typename T>
RDROP_INLINE bool first_of_token(const EmbeddingGroupsBackward<T>& a, int64_t group) {
  return group == 0 || a.tokens[group - 1] != a.tokens[group];
}
template <typename T>
RDROP_INLINE bool last_of_token(const EmbeddingGroupsBackward<T>& a, int64_t group) {
  return group + 1 == *a.groups || a.tokens[group + 1] != a.tokens[group];
}

template <typename T>
RDROP_INLINE float* partial_of(const EmbeddingGroupsBackward<T>& a, int64_t group) {
  return a.partial + a.starts[group] / (kGroupRows / 2) * a.columns;
}

/// Adds scale × sum to a run of columns of the table's gradient.
template <typename T>
RDROP_INLINE void add_to_table(const EmbeddingGroupsBackward<T>& a, int32_t token, int64_t column, bool whole,
                               int count, const float* sum) {
  float* to = a.table_gradient + int64_t(token) * a.columns + column;
  const bool whole_table = whole && on_boundary(a.table_gradient);
  float total[4];
  load_four(to, whole_table, count, total);
  RDROP_UNROLL
  for (int i = 0; i < 4; ++i) total[i] += float(a.scale) * sum[i];
  store_four(to, whole_table, count, total);
}

/// Sums every group; that of a token's only group is final.
template <typename T>
struct GroupKernel {
  static constexpr int max_threads = kWarps * 32;
  static constexpr int kColumns = 32 * 16;  // of a warp
  EmbeddingGroupsBackward<T> a;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const int64_t slices = (a.columns + kColumns - 1) / kColumns, items = *a.groups * slices;
    const bool whole = whole_fours(a.columns);
    for (int64_t item = block.index() * kWarps + block.thread() / 32; item < items; item += block.count() * kWarps) {
      const int64_t group = item / slices;
      const int64_t sixteen = item % slices * 32 + block.thread() % 32;  // which columns, as a group of masks
      float sum[4][4] = {};
      for (int64_t i = a.starts[group]; i < a.starts[group + 1]; ++i) {
        const int64_t row = a.order[i];
        const RowDropout dropout(a.dropout, row, a.columns);
        dropout.visit(sixteen, [&](int w, int64_t column, int count, const float* keep) {
          float gradient[4];
          load_four(a.gradient + row * a.columns + column, whole, count, gradient);
          RDROP_UNROLL
          for (int k = 0; k < 4; ++k) sum[w][k] += keep[k] * gradient[k];
        });
      }
      const bool alone = first_of_token(a, group) && last_of_token(a, group);
      visit_runs(a.columns, sixteen, [&](int w, int64_t column, int count) {
        if (alone) {
          add_to_table(a, a.tokens[group], column, whole, count, sum[w]);
        } else {
          store_four(partial_of(a, group) + column, whole, count, sum[w]);
        }
      });
    }
  }
};

/// Adds up the groups of every token that has several.
template <typename T>
struct TokenKernel {
  static constexpr int max_threads = kWarps * 32;
  static constexpr int kColumns = 32 * 4;  // of a warp
  EmbeddingGroupsBackward<T> a;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const int lane = block.thread() % 32;
    const int64_t groups = *a.groups, slices = (a.columns + kColumns - 1) / kColumns, items = groups * slices;
    const bool whole = whole_fours(a.columns);
    for (int64_t item = block.index() * kWarps + block.thread() / 32; item < items; item += block.count() * kWarps) {
      const int64_t group = item / slices;
      if (!first_of_token(a, group) || last_of_token(a, group)) continue;
      const int32_t token = a.tokens[group];
      int64_t end = group;
      for (int found = 32; found == 32; end += found) {
        const int64_t candidate = end + lane;
        found = warp_reduce(block, candidate < groups && a.tokens[candidate] == token ? 1 : 0, Plus{});
      }
      const int64_t column = item % slices * kColumns + 4 * lane, left = a.columns - column;
      if (left <= 0) continue;
      const int count = left < 4 ? int(left) : 4;
      float sum[4] = {};
      for (int64_t g = group; g < end; ++g) {
        float partial[4];
        load_four(partial_of(a, g) + column, whole, count, partial);
        RDROP_UNROLL
        for (int i = 0; i < 4; ++i) sum[i] += partial[i];
      }
      add_to_table(a, token, column, whole, count, sum);
    }
  }
};

template <typename T>
void forward(const EmbeddingForward<T, float>& arguments, int64_t rows, void* stream) {
  launch(ForwardKernel<T>{arguments, rows}, {(rows + kWarps - 1) / kWarps, kWarps * 32}, stream);
}

template <typename T>
void backward(const EmbeddingGroupsBackward<T>& arguments, int64_t blocks, void* stream) {
  launch(GroupKernel<T>{arguments}, {blocks, kWarps * 32}, stream);
  launch(TokenKernel<T>{arguments}, {blocks, kWarps * 32}, stream);
}

}  // namespace

template <typename T>
const EmbeddingLaunchers<T>& embedding_launchers() {
  static constexpr EmbeddingLaunchers<T> table = {forward<T>, backward<T>};
  return table;
}
template const EmbeddingLaunchers<float>& embedding_launchers<float>();
template const EmbeddingLaunchers<Bfloat16>& embedding_launchers<Bfloat16>();
template const EmbeddingLaunchers<Half>& embedding_launchers<Half>();

}  // namespace rdrop
