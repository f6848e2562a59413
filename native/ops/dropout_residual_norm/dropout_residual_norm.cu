// dropout_residual_norm on a device. R rows, D columns. A row belongs to a team of 1, 2 or 4 warps: a thread keeps the
// 16 columns of one group of its masks (dropout_block.h) in registers, so that every element is read once. Rows of more
// than 2,048 columns belong to a block, which reads them again.
#include "device/launch.h"
#include "device/reduce.h"
#include "core/dropout_block.h"
#include "ops/dropout_residual_norm/dropout_residual_norm_kernel.h"

namespace rdrop {
namespace {

using namespace portable;

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * 32;
constexpr int kBiasSums = 4 * kThreads * 4;
constexpr int64_t kTeamColumns = 4 * 32 * 16;  // most that a team can hold
static_assert(kTeamColumns == 2048 && kWarps == 8, "dropout_residual_norm_block_rows counts with them");

/// What T keeps of a value.
template <typename T>
RDROP_INLINE float rounded(float value) {
  T kept;
  assign(kept, value);
  return to_float(kept);
}

RDROP_INLINE float reciprocal_deviation(float squares, int64_t columns, double epsilon) {
  return 1.0f / __builtin_sqrtf(squares / float(columns) + float(epsilon));
}

/// The sum over the team of each thread; all threads of the block call. scratch: [kWarps] of shared memory.
template <int Team, class Block>
RDROP_INLINE float team_sum(Block& block, float value, float* scratch) {
  value = warp_reduce(block, value, Plus{});
  if constexpr (Team == 1) return value;
  const int warp = block.thread() / 32;
  if (block.thread() % 32 == 0) scratch[warp] = value;
  block.barrier();
  float sum = 0;
  for (int member = 0; member < Team; ++member) sum += scratch[warp / Team * Team + member];
  block.barrier();
  return sum;
}

/// residual + dropout(branch) of a run of columns, written over the branch and returned as it was rounded.
template <typename T>
RDROP_INLINE void add_run(const DropoutResidualNormForward<T, float>& a, int64_t at, bool whole, int count,
                          const float* keep, float* sum) {
  load_four(a.sum + at, whole, count, sum);
  float residual[4] = {0, 0, 0, 0};
  if (a.residual) load_four(a.residual + at, whole, count, residual);
  RDROP_UNROLL
  for (int i = 0; i < 4; ++i) sum[i] = rounded<T>(keep[i] * sum[i] + residual[i]);
  store_four(a.sum + at, whole, count, sum);
}

/// Writes the normed values of a run of columns.
template <typename T>
RDROP_INLINE void norm_run(const DropoutResidualNormForward<T, float>& a, int64_t at, int64_t column, bool whole,
                           int count, const float* sum, float mean, float rstd) {
  float gamma[4], beta[4], normed[4];
  load_four(a.gamma + column, whole && on_boundary(a.gamma), count, gamma);
  load_four(a.beta + column, whole && on_boundary(a.beta), count, beta);
  RDROP_UNROLL
  for (int i = 0; i < 4; ++i) normed[i] = standardized(sum[i], mean, rstd) * gamma[i] + beta[i];
  store_four(a.normed + at, whole, count, normed);
}

template <typename T, int Team>
struct ForwardKernel {
  static constexpr int max_threads = kThreads;
  DropoutResidualNormForward<T, float> a;
  int64_t rows;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    float* scratch = reinterpret_cast<float*>(block.shared());
    const int64_t row = block.index() * (kWarps / Team) + block.thread() / (32 * Team);
    const int64_t group = block.thread() % (32 * Team), start = row * a.columns;
    const bool whole = whole_fours(a.columns), present = row < rows;
    float x[4][4] = {};
    float total = 0;
    if (present) {
      const RowDropout dropout(a.dropout, row, a.columns);
      dropout.visit(group, [&](int w, int64_t column, int count, const float* keep) {
        add_run(a, start + column, whole, count, keep, x[w]);
        RDROP_UNROLL
        for (int i = 0; i < 4; ++i) total += x[w][i];  // beyond count it is zero
      });
    }
    const float mean = team_sum<Team>(block, total, scratch) / float(a.columns);
    float squares = 0;
    visit_runs(a.columns, group, [&](int w, int64_t, int count) {
      RDROP_UNROLL
      for (int i = 0; i < 4; ++i) {
        const float centered = i < count ? x[w][i] - mean : 0.0f;
        squares += centered * centered;
      }
    });
    const float rstd = reciprocal_deviation(team_sum<Team>(block, squares, scratch), a.columns, a.epsilon);
    if (!present) return;
    visit_runs(a.columns, group, [&](int w, int64_t column, int count) {
      norm_run(a, start + column, column, whole, count, x[w], mean, rstd);
    });
    if (group == 0) {
      a.mean[row] = mean;
      a.rstd[row] = rstd;
    }
  }
};

template <typename T>
struct LongForwardKernel {
  static constexpr int max_threads = kThreads;
  DropoutResidualNormForward<T, float> a;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    float* scratch = reinterpret_cast<float*>(block.shared());
    const int64_t row = block.index(), start = row * a.columns;
    const bool whole = whole_fours(a.columns);
    const RowDropout dropout(a.dropout, row, a.columns);
    float total = 0;
    for (int64_t group = block.thread(); group < dropout.groups(); group += kThreads) {
      dropout.visit(group, [&](int, int64_t column, int count, const float* keep) {
        float sum[4];
        add_run(a, start + column, whole, count, keep, sum);
        RDROP_UNROLL
        for (int i = 0; i < 4; ++i) total += sum[i];
      });
    }
    const float mean = block_reduce(block, total, Plus{}, scratch) / float(a.columns);
    float squares = 0;
    for (int64_t group = block.thread(); group < dropout.groups(); group += kThreads) {
      visit_runs(a.columns, group, [&](int, int64_t column, int count) {
        float sum[4];
        load_four(a.sum + start + column, whole, count, sum);
        RDROP_UNROLL
        for (int i = 0; i < 4; ++i) {
          const float centered = i < count ? sum[i] - mean : 0.0f;
          squares += centered * centered;
        }
      });
    }
    const float rstd = reciprocal_deviation(block_reduce(block, squares, Plus{}, scratch), a.columns, a.epsilon);
    for (int64_t group = block.thread(); group < dropout.groups(); group += kThreads) {
      visit_runs(a.columns, group, [&](int, int64_t column, int count) {
        float sum[4];
        load_four(a.sum + start + column, whole, count, sum);
        norm_run(a, start + column, column, whole, count, sum, mean, rstd);
      });
    }
    if (block.thread() == 0) {
      a.mean[row] = mean;
      a.rstd[row] = rstd;
    }
  }
};

/// Reads dy and x̂ of a run of columns; both are zero beyond count.
template <typename T>
RDROP_INLINE void load_run(const DropoutResidualNormBackward<T, float>& a, int64_t at, bool whole, int count,
                           float mean, float rstd, float* dy, float* x) {
  load_four(a.normed_gradient + at, whole, count, dy);
  load_four(a.sum + at, whole, count, x);
  RDROP_UNROLL
  for (int i = 0; i < 4; ++i) x[i] = i < count ? standardized(x[i], mean, rstd) : 0.0f;
}

/// Writes the gradients of a run of columns and adds that of the branch to its sums. g: dy·γ.
template <typename T>
RDROP_INLINE void gradient_run(const DropoutResidualNormBackward<T, float>& a, int64_t at, bool whole, int count,
                               const float* keep, const float* g, const float* x, float rstd, float g_mean,
                               float gx_mean, float* bias_sum) {
  float gradient[4], extra[4] = {0, 0, 0, 0};
  if (a.sum_gradient) load_four(a.sum_gradient + at, whole, count, extra);
  RDROP_UNROLL
  for (int i = 0; i < 4; ++i) gradient[i] = norm_gradient(g[i], x[i], rstd, g_mean, gx_mean) + extra[i];
  store_four(a.residual_gradient + at, whole, count, gradient);
  float sum[4];
  load_four(bias_sum, true, 4, sum);
  RDROP_UNROLL
  for (int i = 0; i < 4; ++i) {
    gradient[i] *= keep[i];
    if (i < count) sum[i] += gradient[i];
  }
  store_four(bias_sum, true, 4, sum);
  if (a.branch_gradient != a.residual_gradient) store_four(a.branch_gradient + at, whole, count, gradient);
}

/// Blocks stay and take rows in turn. Shared memory: [4,kThreads,4] sums of the bias, for which registers do not
/// suffice, each thread with its own; [kWarps] scratch; sums [3,D] of the block.
template <typename T, int Team>
struct BackwardKernel {
  static constexpr int max_threads = kThreads;
  static constexpr int min_blocks = 2;
  static constexpr int kTeams = kWarps / Team;
  DropoutResidualNormBackward<T, float> a;
  int64_t rows;
  float* partial;  // [blocks, 3·D]

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    float* const own_bias = reinterpret_cast<float*>(block.shared()) + 4 * block.thread();
    const auto bias_sum = [&](int w) { return own_bias + w * 4 * kThreads; };
    float* scratch = reinterpret_cast<float*>(block.shared()) + kBiasSums;
    const int team = block.thread() / (32 * Team);
    const int64_t group = block.thread() % (32 * Team);
    const bool whole = whole_fours(a.columns);
    float gamma_sum[4][4] = {}, beta_sum[4][4] = {};
    for (int w = 0; w < 4; ++w) {
      const float zeros[4] = {0, 0, 0, 0};
      store_four(bias_sum(w), true, 4, zeros);
    }

    // Every team takes part in every round, with or without a row: there are barriers inside.
    for (int64_t first = block.index() * kTeams; first < rows; first += block.count() * kTeams) {
      const int64_t row = first + team, start = row * a.columns;
      const bool present = row < rows;
      const float mean = present ? a.mean[row] : 0.0f, rstd = present ? a.rstd[row] : 0.0f;
      float dy[4][4] = {}, x[4][4] = {};
      float g_sum = 0, gx_sum = 0;
      if (present) {
        visit_runs(a.columns, group, [&](int w, int64_t column, int count) {
          float gamma[4];
          load_run(a, start + column, whole, count, mean, rstd, dy[w], x[w]);
          load_four(a.gamma + column, whole && on_boundary(a.gamma), count, gamma);
          RDROP_UNROLL
          for (int i = 0; i < 4; ++i) {
            gamma_sum[w][i] += dy[w][i] * x[w][i];
            beta_sum[w][i] += dy[w][i];
            dy[w][i] *= gamma[i];
            g_sum += dy[w][i];
            gx_sum += dy[w][i] * x[w][i];
          }
        });
      }
      const float g_mean = team_sum<Team>(block, g_sum, scratch) / float(a.columns);
      const float gx_mean = team_sum<Team>(block, gx_sum, scratch) / float(a.columns);
      if (!present) continue;
      const RowDropout dropout(a.dropout, row, a.columns);
      dropout.visit(group, [&](int w, int64_t column, int count, const float* keep) {
        gradient_run(a, start + column, whole, count, keep, dy[w], x[w], rstd, g_mean, gx_mean, bias_sum(w));
      });
    }

    // The teams' sums, one team after another.
    float* sums = scratch + kWarps;
    for (int turn = 0; turn < kTeams; ++turn) {
      if (turn == team) {
        visit_runs(a.columns, group, [&](int w, int64_t column, int count) {
          RDROP_UNROLL
          for (int i = 0; i < 4; ++i) {
            const int64_t c = column + i;
            if (i >= count) continue;
            sums[c] = (turn == 0 ? 0.0f : sums[c]) + gamma_sum[w][i];
            sums[a.columns + c] = (turn == 0 ? 0.0f : sums[a.columns + c]) + beta_sum[w][i];
            sums[2 * a.columns + c] = (turn == 0 ? 0.0f : sums[2 * a.columns + c]) + bias_sum(w)[i];
          }
        });
      }
      block.barrier();
    }
    const int64_t width = 3 * a.columns;
    for (int64_t c = block.thread(); c < width; c += kThreads) partial[block.index() * width + c] = sums[c];
  }
};

/// A block's sums are kept in its row of partial, where each thread has columns of its own.
template <typename T>
struct LongBackwardKernel {
  static constexpr int max_threads = kThreads;
  static constexpr int min_blocks = 2;
  DropoutResidualNormBackward<T, float> a;
  int64_t rows;
  float* partial;  // [blocks, 3·D]

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    float* scratch = reinterpret_cast<float*>(block.shared());
    float* sums = partial + block.index() * 3 * a.columns;
    const bool whole = whole_fours(a.columns);
    if (block.index() >= rows) {
      for (int64_t c = block.thread(); c < 3 * a.columns; c += kThreads) sums[c] = 0;
    }
    for (int64_t row = block.index(); row < rows; row += block.count()) {
      const int64_t start = row * a.columns;
      const bool initial = row == block.index();
      const float mean = a.mean[row], rstd = a.rstd[row];
      const RowDropout dropout(a.dropout, row, a.columns);
      float g_sum = 0, gx_sum = 0;
      for (int64_t group = block.thread(); group < dropout.groups(); group += kThreads) {
        visit_runs(a.columns, group, [&](int, int64_t column, int count) {
          float dy[4], x[4];
          load_run(a, start + column, whole, count, mean, rstd, dy, x);
          RDROP_UNROLL
          for (int i = 0; i < 4; ++i) {
            const int64_t c = column + i;
            if (i >= count) continue;
            const float g = dy[i] * a.gamma[c];
            sums[c] = (initial ? 0.0f : sums[c]) + dy[i] * x[i];
            sums[a.columns + c] = (initial ? 0.0f : sums[a.columns + c]) + dy[i];
            g_sum += g;
            gx_sum += g * x[i];
          }
        });
      }
      const float g_mean = block_reduce(block, g_sum, Plus{}, scratch) / float(a.columns);
      const float gx_mean = block_reduce(block, gx_sum, Plus{}, scratch) / float(a.columns);
      for (int64_t group = block.thread(); group < dropout.groups(); group += kThreads) {
        dropout.visit(group, [&](int, int64_t column, int count, const float* keep) {
          float g[4], x[4], gamma[4];
          load_run(a, start + column, whole, count, mean, rstd, g, x);
          load_four(a.gamma + column, whole && on_boundary(a.gamma), count, gamma);
          RDROP_UNROLL
          for (int i = 0; i < 4; ++i) g[i] *= gamma[i];
          alignas(16) float bias_sum[4] = {};
          gradient_run(a, start + column, whole, count, keep, g, x, rstd, g_mean, gx_mean, bias_sum);
          RDROP_UNROLL
          for (int i = 0; i < 4; ++i) {
            const int64_t c = 2 * a.columns + column + i;
            if (i < count) sums[c] = (initial ? 0.0f : sums[c]) + bias_sum[i];
          }
        });
      }
    }
  }
};

template <typename T, int Team>
void forward_by_teams(const DropoutResidualNormForward<T, float>& arguments, int64_t rows, void* stream) {
  constexpr int64_t teams = kWarps / Team;
  launch(ForwardKernel<T, Team>{arguments, rows}, {(rows + teams - 1) / teams, kThreads, kWarps * sizeof(float)},
         stream);
}

template <typename T, int Team>
void backward_by_teams(const DropoutResidualNormBackward<T, float>& arguments, int64_t rows, int64_t blocks,
                       float* partial, void* stream) {
  const size_t shared = (kBiasSums + kWarps + 3 * size_t(arguments.columns)) * sizeof(float);
  launch(BackwardKernel<T, Team>{arguments, rows, partial}, {blocks, kThreads, shared}, stream);
}

template <typename T>
void forward(const DropoutResidualNormForward<T, float>& arguments, int64_t rows, void* stream) {
  if (arguments.columns <= kTeamColumns / 4) return forward_by_teams<T, 1>(arguments, rows, stream);
  if (arguments.columns <= kTeamColumns / 2) return forward_by_teams<T, 2>(arguments, rows, stream);
  if (arguments.columns <= kTeamColumns) return forward_by_teams<T, 4>(arguments, rows, stream);
  launch(LongForwardKernel<T>{arguments}, {rows, kThreads, kWarps * sizeof(float)}, stream);
}

template <typename T>
void backward(const DropoutResidualNormBackward<T, float>& arguments, int64_t rows, int64_t blocks, float* partial,
              void* stream) {
  if (arguments.columns <= kTeamColumns / 4) return backward_by_teams<T, 1>(arguments, rows, blocks, partial, stream);
  if (arguments.columns <= kTeamColumns / 2) return backward_by_teams<T, 2>(arguments, rows, blocks, partial, stream);
  if (arguments.columns <= kTeamColumns) return backward_by_teams<T, 4>(arguments, rows, blocks, partial, stream);
  launch(LongBackwardKernel<T>{arguments, rows, partial}, {blocks, kThreads, kWarps * sizeof(float)}, stream);
}

}  // namespace

template <typename T>
const DropoutResidualNormLaunchers<T>& dropout_residual_norm_launchers() {
  static constexpr DropoutResidualNormLaunchers<T> table = {forward<T>, backward<T>};
  return table;
}
template const DropoutResidualNormLaunchers<float>& dropout_residual_norm_launchers<float>();
template const DropoutResidualNormLaunchers<Bfloat16>& dropout_residual_norm_launchers<Bfloat16>();
template const DropoutResidualNormLaunchers<Half>& dropout_residual_norm_launchers<Half>();

}  // namespace rdrop
