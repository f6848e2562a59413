// On Intel's chips by oneMKL's product of bfloat16 into float32, which libtorch_cpu carries but no header of libtorch
// declares; hence it is looked up by name, and may be absent. Where it is, or has no units to use (oneMKL uses none but
// Intel's), by ATen, which gives it to oneDNN. oneDNN compiles a kernel for every new shape, which takes longer than a
// small product, and nearly every batch of real sentences has a number of rows of its own; oneMKL does not. Chips for
// which ops/packed_gemm/packed_gemm.h speaks do not come here.
#include "model/bfloat16_product.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstring>

#include "core/errors.h"
#include "model/aten_product.h"
#include "core/dispatch.h"
#include "ops/rounding/rounding_kernel.h"

namespace rdrop {
namespace {

/// cblas_gemm_bf16bf16f32 of oneMKL's reference, 32-bit integers: layout, transposes, m, n, k, alpha, a, lda, b, ldb,
/// beta, c, ldc.
using WidenedGemm = void (*)(int, int, int, int, int, int, float, const void*, int, const void*, int, float, float*,
                             int);
constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;

/// null where oneMKL has no such product, or has it without the chip's units. The instruction set is that of the
/// kernels in use, so that a test which narrows it takes the other way.
WidenedGemm widened_gemm() {
  static const bool intel = __builtin_cpu_is("intel") && __builtin_cpu_supports("avx512bf16");
  static const auto found = reinterpret_cast<WidenedGemm>(dlsym(RTLD_DEFAULT, "cblas_gemm_bf16bf16f32"));
  return intel && instruction_set() == InstructionSet::avx512 ? found : nullptr;
}

struct Operand {
  int transpose, stride;
};

/// Row-major as it lies in memory, or the transpose of that.
Operand operand(const at::Tensor& matrix) {
  if (matrix.stride(1) == 1) return {kPlain, int(std::max(matrix.stride(0), matrix.size(1)))};
  return {kTransposed, int(std::max(matrix.stride(1), matrix.size(0)))};
}

void multiply(WidenedGemm gemm, const at::Tensor& a, const at::Tensor& b, float beta, float* out) {
  const Operand left = operand(a), right = operand(b);
  const int m = int(a.size(0)), n = int(b.size(1)), k = int(a.size(1));
  gemm(kRowMajor, left.transpose, right.transpose, m, n, k, 1, a.const_data_ptr(), left.stride, b.const_data_ptr(),
       right.stride, beta, out, n);
}

/// Sums that are kept from product to product, for new pages would cost more than the rounding: 16 MiB, what a chunk of
/// the training's logits needs.
constexpr int64_t kWorkspaceElements = 1 << 22;

float* workspace() {
  thread_local const at::Tensor memory = at::empty({kWorkspaceElements}, at::TensorOptions(at::kFloat));
  return memory.mutable_data_ptr<float>();
}

/// The product, and bias and what is in `out` added before it is rounded; as many rows at a time as the workspace
/// holds.
void multiply_and_round(WidenedGemm gemm, const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool add,
                        at::Tensor& out) {
  const int64_t rows = out.size(0), columns = out.size(1), step = std::max<int64_t>(1, kWorkspaceElements / columns);
  const at::Tensor wide_row =
      columns > kWorkspaceElements ? at::empty({columns}, at::TensorOptions(at::kFloat)) : at::Tensor();
  float* sums = wide_row.defined() ? wide_row.mutable_data_ptr<float>() : workspace();
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    multiply(gemm, a.narrow(0, first, count), b, 0, sums);
    const Rounding rounding{
        sums,    columns, optional_elements<Bfloat16>(bias), mutable_elements<Bfloat16>(out) + first * columns, columns,
        columns, add};
    parallel_rows(count, columns,
                  [&](int64_t begin, int64_t end) { kernels<RoundingKernels>().round(rounding, begin, end); });
  }
}

void widen_and_add(const at::Tensor& product, at::Tensor& out) {
  const Bfloat16* from = elements<Bfloat16>(product);
  float* to = out.mutable_data_ptr<float>();
  parallel_rows(product.numel(), 1,
                [&](int64_t begin, int64_t end) { kernels<RoundingKernels>().add_widened(from, to, begin, end); });
}

}  // namespace

const char* bfloat16_product_library() {
  return widened_gemm() ? "oneMKL" : "ATen";
}

void bfloat16_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, double beta, at::Tensor& out) {
  const bool widened = out.scalar_type() == at::kFloat;
  if ((beta != 0 && beta != 1) || (bias.defined() && (widened || beta != 0))) {
    fail(ErrorCode::internal, "bfloat16_product: expected beta 0 or 1, and a bias alone and with bfloat16, got beta ",
         beta, bias.defined() ? " with a bias" : "");
  }
  if (const WidenedGemm gemm = widened_gemm()) {
    if (widened) return multiply(gemm, a, b, float(beta), out.mutable_data_ptr<float>());
    multiply_and_round(gemm, a, b, bias, beta != 0, out);
  } else if (widened && beta != 0) {
    widen_and_add(at::mm(a, b), out);
  } else if (widened) {
    at::mm_out(out, a.to(at::kFloat), b.to(at::kFloat));
  } else {
    aten_product(a, b, bias, beta != 0, out);
  }
}

}  // namespace rdrop
