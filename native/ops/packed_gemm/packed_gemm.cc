// See packed_gemm.h.
#include "ops/packed_gemm/packed_gemm.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <vector>

#include "core/dispatch.h"
#include "ops/packed_gemm/packed_gemm_blocks.h"
#include "ops/rounding/rounding_kernel.h"

namespace rdrop {
namespace {

/// lines [lines,terms], a view with one stride of 1.
template <typename T>
PanelSource<T> panel_source(const at::Tensor& lines) {
  if (lines.stride(0) != 1 && lines.stride(1) != 1) {
    fail(ErrorCode::internal, "packed_gemm: expected contiguous rows or columns, got strides of ", lines.stride(0),
         " and ", lines.stride(1));
  }
  return {elements<T>(lines), lines.stride(0), lines.stride(1), lines.size(0), lines.size(1)};
}

/// Calls f(rectangle) for all of them, in parallel.
template <typename F>
void for_rectangles(const at::Tensor& out, int64_t terms, const F& f) {
  const PanelGrid grid(out.size(0), out.size(1), terms, at::get_num_threads());
  parallel_parts(grid.tasks(), out.numel() * terms / kProductsWorthAThread,
                 [&](int64_t task, int64_t) { f(grid.task(task)); });
}

template <typename T>
PanelWorkspace<T>& workspace() {
  thread_local PanelWorkspace<T> memory;
  return memory;
}

template <typename T, typename Right>
void multiply_into_float32(const at::Tensor& a, const Right& right, const float* bias, bool add, at::Tensor& out) {
  const PanelSource<T> left = panel_source<T>(a);
  float* to = mutable_elements<float>(out);
  const int64_t columns = out.size(1);
  for_rectangles(out, left.terms, [&](const Rectangle& part) {
    const PanelSums sums{to + part.row * columns + part.column, columns, bias ? bias + part.column : nullptr, add};
    multiply_rectangle(kernels<PackedGemmKernels<T>>(), left, right, part, sums, workspace<T>(),
                       [](int64_t, int64_t) {});
  });
}

/// The sums of a rectangle in float32, then each block of rows rounded while it is in the cache.
template <typename Right>
void multiply_into_bfloat16(const at::Tensor& a, const Right& right, const at::Tensor& bias, bool add,
                            at::Tensor& out) {
  using T = Bfloat16;
  const PanelSource<T> left = panel_source<T>(a);
  const T* addend = optional_elements<T>(bias);
  T* to = mutable_elements<T>(out);
  const int64_t columns = out.size(1);
  for_rectangles(out, left.terms, [&](const Rectangle& part) {
    thread_local std::vector<float> memory(size_t(kRectangleRows * kRectangleColumns));
    const PanelSums sums{memory.data(), part.columns, nullptr, false};
    const Rounding rounding{sums.out,
                            part.columns,
                            addend ? addend + part.column : nullptr,
                            to + part.row * columns + part.column,
                            columns,
                            part.columns,
                            add};
    multiply_rectangle(kernels<PackedGemmKernels<T>>(), left, right, part, sums, workspace<T>(),
                       [&](int64_t begin, int64_t end) { kernels<RoundingKernels>().round(rounding, begin, end); });
  });
}

/// right_of(T): the right factor, in the type T of a.
template <typename RightOf>
void multiply(const at::Tensor& a, const RightOf& right_of, const at::Tensor& bias, bool add, at::Tensor& out) {
  if (a.scalar_type() == at::kFloat) {
    multiply_into_float32<float>(a, right_of(float{}), optional_elements<float>(bias), add, out);
  } else if (out.scalar_type() == at::kFloat) {
    multiply_into_float32<Bfloat16>(a, right_of(Bfloat16{}), nullptr, add, out);
  } else {
    multiply_into_bfloat16(a, right_of(Bfloat16{}), bias, add, out);
  }
}

void check_shapes(const at::Tensor& a, int64_t terms, int64_t columns, const at::Tensor& out) {
  if (a.size(1) != terms || out.size(0) != a.size(0) || out.size(1) != columns || !out.is_contiguous()) {
    fail(ErrorCode::internal, "packed_gemm: expected [M,K] times [K,N] into a contiguous [M,N], got ", a.sizes(),
         " times [", terms, ", ", columns, "] into ", out.sizes());
  }
}

}  // namespace

bool packed_gemm_fits(at::ScalarType type) {
  static const bool intel = __builtin_cpu_is("intel"), pairs = __builtin_cpu_supports("avx512bf16");
  if (intel || instruction_set() != InstructionSet::avx512) return false;
  return type == at::kFloat || (type == at::kBFloat16 && pairs);
}

void packed_gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool add, at::Tensor& out) {
  check_shapes(a, b.size(0), b.size(1), out);
  multiply(
      a, [&](auto zero) { return panel_source<decltype(zero)>(b.t()); }, bias, add, out);
}

PackedFactor pack_factor(const at::Tensor& b) {
  PackedFactor packed{{}, b.size(0), b.size(1)};
  const auto pack = [&](auto zero) {
    using T = decltype(zero);
    const PanelSource<T> right = panel_source<T>(b.t());
    packed.panels = at::empty({PackedRight<T>::size(right) * kStepTerms<T>}, b.options());
    pack_whole_right(kernels<PackedGemmKernels<T>>(), right,
                     reinterpret_cast<Step<T>*>(mutable_elements<T>(packed.panels)));
  };
  b.scalar_type() == at::kFloat ? pack(float{}) : pack(Bfloat16{});
  return packed;
}

void packed_gemm(const at::Tensor& a, const PackedFactor& b, const at::Tensor& bias, at::Tensor& out) {
  check_shapes(a, b.terms, b.columns, out);
  const auto right_of = [&](auto zero) {
    using T = decltype(zero);
    return PackedRight<T>{reinterpret_cast<const Step<T>*>(elements<T>(b.panels)), b.columns, b.terms};
  };
  multiply(a, right_of, bias, false, out);
}

}  // namespace rdrop
