// On Intel's chips by oneMKL's product of bfloat16 into float32, which libtorch_cpu carries but no header of libtorch
// declares; hence it is looked up by name, and may be absent. Elsewhere (oneMKL knows no bfloat16 units but Intel's) by
// oneDNN's product in bfloat16, whose result is then added.
#include "model/widened_product.h"

#include <ATen/ops/mm.h>
#include <dlfcn.h>

#include "ops/dispatch.h"

namespace rdrop {
namespace {

/// cblas_gemm_bf16bf16f32 of oneMKL's reference, 32-bit integers: layout, transposes, m, n, k, alpha, a, lda, b, ldb,
/// beta, c, ldc.
using WidenedGemm = void (*)(int, int, int, int, int, int, float, const void*, int, const void*, int, float, float*,
                             int);
constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;

WidenedGemm find_gemm() {
  if (!__builtin_cpu_is("intel") || !__builtin_cpu_supports("avx512bf16")) return nullptr;
  return reinterpret_cast<WidenedGemm>(dlsym(RTLD_DEFAULT, "cblas_gemm_bf16bf16f32"));
}

struct Operand {
  int transpose, stride;
};

/// Row-major as it lies in memory, or the transpose of that.
Operand operand(const at::Tensor& matrix) {
  if (matrix.stride(1) == 1) return {kPlain, int(std::max(matrix.stride(0), matrix.size(1)))};
  return {kTransposed, int(std::max(matrix.stride(1), matrix.size(0)))};
}

}  // namespace

void add_widened_product(const at::Tensor& a, const at::Tensor& b, at::Tensor& out) {
  static const WidenedGemm gemm = find_gemm();
  if (gemm) {
    const Operand left = operand(a), right = operand(b);
    const int m = int(a.size(0)), n = int(b.size(1)), k = int(a.size(1));
    gemm(kRowMajor, left.transpose, right.transpose, m, n, k, 1, a.const_data_ptr(), left.stride, b.const_data_ptr(),
         right.stride, 1, out.mutable_data_ptr<float>(), n);
    return;
  }
  const at::Tensor product = at::mm(a, b);
  const Bfloat16* from = elements<Bfloat16>(product);
  float* to = out.mutable_data_ptr<float>();
  parallel_rows(product.numel(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] += portable::to_float(from[i]);
  });
}

}  // namespace rdrop
