// Between tensors and kernels: the type of the elements and the threads.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>

#include "core/crowded.h"
#include "core/element.h"
#include "core/errors.h"
#include "core/kernels.h"
#include "core/tensor_elements.h"

namespace rdrop {

/// Calls f with a value of the tensor's element type: float or double.
template <typename F>
auto dispatch_floating(const at::Tensor& tensor, F&& f) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return f(float{});
    case at::kDouble:
      return f(double{});
    default:
      fail(ErrorCode::internal, "expected float32 or float64, got ", c10::toString(tensor.scalar_type()));
  }
}

/// Calls f with a value of the kernels' type for the activations: float, double or Bfloat16.
template <typename F>
auto dispatch_layers(const at::Tensor& tensor, F&& f) {
  if (tensor.scalar_type() == at::kBFloat16) return f(Bfloat16{});
  return dispatch_floating(tensor, f);
}

/// What the network computes with where its tensors are of this type (Wide<T>).
inline at::ScalarType wide_type(at::ScalarType type) {
  return type == at::kBFloat16 ? at::kFloat : type;
}

/// While one lives, parallel_ranges() on this thread starts no other.
class AloneScope {
 public:
  AloneScope() : before_(alone()) { alone() = true; }
  ~AloneScope() { alone() = before_; }
  AloneScope(const AloneScope&) = delete;

  static bool& alone() {
    thread_local bool value = false;
    return value;
  }

 private:
  bool before_;
};

/// A loop of so little work, in parts each just worth a thread (about 5 microseconds), waits longer for a second thread
/// than that saves while other programs want the cores.
constexpr int64_t kWorthWaiting = 32;

/// Calls f(begin, end) on ranges of at least `grain`, in parallel. Everything that is parallel here goes through it.
/// work: of the whole loop, in parts just worth a thread. No result may depend on the ranges: a loop of little work is
/// one range while the cores are crowded.
template <typename F>
void parallel_ranges(int64_t begin, int64_t end, int64_t grain, int64_t work, const F& f) {
  const bool alone = AloneScope::alone() || (work <= kWorthWaiting && cores_crowded.load(std::memory_order_relaxed));
  if (!alone) return at::parallel_for(begin, end, grain, f);
  if (begin < end) f(begin, end);
}
/// Where a grain is just worth a thread.
template <typename F>
void parallel_ranges(int64_t begin, int64_t end, int64_t grain, const F& f) {
  parallel_ranges(begin, end, grain, (end - begin) / grain, f);
}

constexpr int64_t kElementsWorthAThread = 8192;

/// Calls f(begin, end) on ranges of rows, in parallel when `elements_a_row` makes it worth a thread.
template <typename F>
void parallel_rows(int64_t rows, int64_t elements_a_row, const F& f) {
  const int64_t grain = std::max<int64_t>(1, kElementsWorthAThread / std::max<int64_t>(1, elements_a_row));
  parallel_ranges(0, rows, grain, rows * elements_a_row / kElementsWorthAThread, f);
}

/// Calls f(part, parts) for each of `parts` parts in parallel. work: as of parallel_ranges.
template <typename F>
void parallel_parts(int64_t parts, int64_t work, const F& f) {
  parallel_ranges(0, parts, 1, work, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) f(part, parts);
  });
}

}  // namespace rdrop
