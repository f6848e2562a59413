// Pooling on a device: a block a sequence, a thread a column at a time. n sequences, D columns.
#include "device/launch.h"
#include "ops/pooling/pooling_kernel.h"

namespace rdrop {
namespace {

using namespace portable;

constexpr int kThreads = 256;

template <typename T>
struct ForwardKernel {
  static constexpr int max_threads = kThreads;
  PoolingForward<T> a;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const int64_t i = block.index(), first = a.starts[i], rows = a.starts[i + 1] - first;
    const int64_t summed = a.kind == Pooling::mean || rows < 1 ? rows : 1;
    const float share = summed > 0 ? 1.0f / float(summed) : 0.0f;
    for (int64_t c = block.thread(); c < a.columns; c += block.threads()) {
      float sum = 0;
      for (int64_t row = 0; row < summed; ++row) sum += to_float(a.states[(first + row) * a.columns + c]);
      assign(a.out[i * a.columns + c], sum * share);
    }
  }
};

template <typename T>
struct BackwardKernel {
  static constexpr int max_threads = kThreads;
  PoolingBackward<T> a;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const int64_t i = block.index(), first = a.starts[i], rows = a.starts[i + 1] - first;
    for (int64_t c = block.thread(); c < a.columns; c += block.threads()) {
      const float gradient = to_float(a.gradient[i * a.columns + c]);
      for (int64_t row = 0; row < rows; ++row) {
        const float part = a.kind == Pooling::mean ? gradient * (1.0f / float(rows)) : row == 0 ? gradient : 0.0f;
        assign(a.states_gradient[(first + row) * a.columns + c], part);
      }
    }
  }
};

/// Threads that have a column, in whole warps.
int threads_of(int64_t columns) {
  return columns < kThreads ? int(columns + 31) / 32 * 32 : kThreads;
}

template <typename T>
void forward(const PoolingForward<T>& arguments, int64_t sequences, void* stream) {
  launch(ForwardKernel<T>{arguments}, {sequences, threads_of(arguments.columns)}, stream);
}

template <typename T>
void backward(const PoolingBackward<T>& arguments, int64_t sequences, void* stream) {
  launch(BackwardKernel<T>{arguments}, {sequences, threads_of(arguments.columns)}, stream);
}

}  // namespace

template <typename T>
const PoolingLaunchers<T>& pooling_launchers() {
  static constexpr PoolingLaunchers<T> table = {forward<T>, backward<T>};
  return table;
}
template const PoolingLaunchers<float>& pooling_launchers<float>();
template const PoolingLaunchers<Bfloat16>& pooling_launchers<Bfloat16>();
template const PoolingLaunchers<Half>& pooling_launchers<Half>();

}  // namespace rdrop
