// The activation on a device: a warp a row, four columns of each quarter at a time. R rows, F columns.
#include "device/launch.h"
#include "ops/activation/activation_kernel.h"
#include "core/dropout_block.h"

namespace rdrop {
namespace {

using namespace portable;

constexpr int kWarps = 4;

template <typename T>
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
        for (int i = 0; i < 4; ++i) x[i] = keep[i] * (a.activation == Activation::relu ? relu(x[i]) : gelu(x[i]));
        store_four(a.out + row * a.columns + column, whole, count, x);
      });
    }
  }
};

template <typename T>
struct BackwardKernel {
  static constexpr int max_threads = kWarps * 32;
  ActivationBackward<T> a;
  int64_t rows;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const int64_t row = block.index() * kWarps + block.thread() / 32;
    if (row >= rows) return;
    const RowDropout dropout(a.dropout, row, a.columns);
    const bool whole = whole_fours(a.columns);
    for (int64_t group = block.thread() % 32; group < dropout.groups(); group += 32) {
      dropout.visit(group, [&](int, int64_t column, int count, const float* keep) {
        float saved[4], gradient[4];
        load_four(a.saved + row * a.columns + column, whole, count, saved);
        load_four(a.gradient + row * a.columns + column, whole, count, gradient);
        for (int i = 0; i < 4; ++i) {
          const float slope =
              a.activation == Activation::relu ? (saved[i] > 0 ? 1.0f : 0.0f) : float(gelu_slope(saved[i]));
          gradient[i] *= keep[i] * slope;
        }
        store_four(a.gradient + row * a.columns + column, whole, count, gradient);
      });
    }
  }
};

template <typename T>
void forward(const ActivationForward<T>& arguments, int64_t rows, void* stream) {
  launch(ForwardKernel<T>{arguments, rows}, {(rows + kWarps - 1) / kWarps, kWarps * 32}, stream);
}

template <typename T>
void backward(const ActivationBackward<T>& arguments, int64_t rows, void* stream) {
  launch(BackwardKernel<T>{arguments, rows}, {(rows + kWarps - 1) / kWarps, kWarps * 32}, stream);
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
