// The activation on a device: a warp a row, four columns of each quarter at a time. The backward pass sums the
// gradients over rows on its way. R rows, F columns.
#include "device/launch.h"
#include "ops/activation/activation_kernel.h"
#include "core/dropout_block.h"

namespace rdrop {
namespace {

using namespace portable;

constexpr int kWarps = 4;

// Each kind has a kernel of its own: together they would need more registers than any.

template <Activation kind>
RDROP_INLINE float activated(float x) {
  if constexpr (kind == Activation::relu) return relu(x);
  if constexpr (kind == Activation::gelu) return gelu(x);
  if constexpr (kind == Activation::tanh) return hyperbolic_tangent(x);
  return x;
}

/// Of what the forward pass saved.
template <Activation kind>
RDROP_INLINE float slope_at(float saved) {
  if constexpr (kind == Activation::relu) return saved > 0 ? 1.0f : 0.0f;
  if constexpr (kind == Activation::gelu) return float(gelu_slope(saved));
  if constexpr (kind == Activation::tanh) return float(tanh_slope(saved));
  return 1.0f;
}

/// Calls run(kind) with the kind as a constant of the type Kind<kind>.
template <Activation value>
struct Kind {
  static constexpr Activation kind = value;
};
template <class Run>
void with_kind(Activation kind, const Run& run) {
  switch (kind) {
    case Activation::relu:
      return run(Kind<Activation::relu>{});
    case Activation::gelu:
      return run(Kind<Activation::gelu>{});
    case Activation::tanh:
      return run(Kind<Activation::tanh>{});
    case Activation::identity:
      return run(Kind<Activation::identity>{});
  }
}

template <typename T, Activation kind>
struct ForwardKernel {
  static constexpr int max_threads = kWarps * 32;
  ActivationForward<T> a;
  int64_t rows;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const int64_t row = block.index() * kWarps + block.thread() / 32;
    if (row >= rows) return;
    const RowDropout dropout(a.dropout, row, a.columns);
    const bool whole = whole_fours(a.columns);
    for (int64_t group = block.thread() % 32; group < dropout.groups(); group += 32) {
      dropout.visit(group, [&](int, int64_t column, int count, const float* keep) {
        float x[4];
        load_four(a.in + row * a.columns + column, whole, count, x);
        for (int i = 0; i < 4; ++i) x[i] = keep[i] * activated<kind>(x[i]);
        store_four(a.out + row * a.columns + column, whole, count, x);
      });
    }
  }
};

/// A block has a slice of the columns and a range of the rows, a warp a row at a time. Shared memory: [kRows,
/// kActivationColumns] sums of the warps.
template <typename T, Activation kind>
struct BackwardKernel {
  static constexpr int kRows = int(kActivationRows);
  static constexpr int max_threads = kRows * 32;
  ActivationBackward<T> a;
  int64_t rows, slices, ranges;
  float* partial;  // [ranges,F]

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    float* warp_sums = reinterpret_cast<float*>(block.shared());
    const int64_t slice = block.index() % slices, range = block.index() / slices;
    const int64_t end = rows * (range + 1) / ranges;
    const int warp = block.thread() / 32, lane = block.thread() % 32;
    const int64_t group = slice * 32 + lane;
    const bool whole = whole_fours(a.columns);
    float sum[4][4] = {};
    for (int64_t row = rows * range / ranges + warp; row < end; row += kRows) {
      const RowDropout dropout(a.dropout, row, a.columns);
      dropout.visit(group, [&](int w, int64_t column, int count, const float* keep) {
        float saved[4] = {}, gradient[4];
        if constexpr (kind != Activation::identity) load_four(a.saved + row * a.columns + column, whole, count, saved);
        load_four(a.gradient + row * a.columns + column, whole, count, gradient);
        RDROP_UNROLL
        for (int i = 0; i < 4; ++i) {
          gradient[i] *= keep[i] * slope_at<kind>(saved[i]);
          sum[w][i] += gradient[i];
        }
        store_four(a.gradient + row * a.columns + column, whole, count, gradient);
      });
    }
    RDROP_UNROLL
    for (int w = 0; w < 4; ++w) store_four(warp_sums + (warp * 4 + w) * 128 + 4 * lane, true, 4, sum[w]);
    block.barrier();
    // The first warp's lanes have the columns as before.
    if (warp != 0) return;
    visit_runs(a.columns, group, [&](int w, int64_t column, int count) {
      float total[4] = {};
      for (int from = 0; from < kRows; ++from) {
        RDROP_UNROLL
        for (int i = 0; i < 4; ++i) total[i] += warp_sums[(from * 4 + w) * 128 + 4 * lane + i];
      }
      store_four(partial + range * a.columns + column, whole, count, total);
    });
  }
};

template <typename T>
void forward(const ActivationForward<T>& arguments, int64_t rows, void* stream) {
  with_kind(arguments.activation, [&](auto constant) {
    launch(ForwardKernel<T, decltype(constant)::kind>{arguments, rows}, {(rows + kWarps - 1) / kWarps, kWarps * 32},
           stream);
  });
}

template <typename T>
void backward(const ActivationBackward<T>& arguments, int64_t rows, int64_t ranges, float* partial, void* stream) {
  const int64_t slices = (arguments.columns + kActivationColumns - 1) / kActivationColumns;
  with_kind(arguments.activation, [&](auto constant) {
    launch(BackwardKernel<T, decltype(constant)::kind>{arguments, rows, slices, ranges, partial},
           {slices * ranges, kActivationRows * 32, kActivationRows * kActivationColumns * sizeof(float)}, stream);
  });
}

}  // namespace

template <typename T>
const ActivationLaunchers<T>& activation_launchers() {
  static constexpr ActivationLaunchers<T> table = {forward<T>, backward<T>};
  return table;
}
template const ActivationLaunchers<float>& activation_launchers<float>();
template const ActivationLaunchers<Bfloat16>& activation_launchers<Bfloat16>();
template const ActivationLaunchers<Half>& activation_launchers<Half>();

}  // namespace rdrop
