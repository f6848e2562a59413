// On Intel's chips by oneMKL's product of bfloat16 into float32 (onemkl.h). Where it is absent, or has no units to use
// (oneMKL uses none but Intel's), by ATen, which gives it to oneDNN. oneDNN compiles a kernel for every new shape,
// which takes longer than a small product, and nearly every batch of real sentences has a number of rows of its own;
// oneMKL does not. Chips for which ops/packed_gemm/packed_gemm.h speaks do not come here.
#include "model/products/bfloat16_product.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "core/errors.h"
#include "model/products/aten_product.h"
#include "core/dispatch.h"
#include "model/products/onemkl.h"
#include "ops/rounding/rounding_kernel.h"

namespace rdrop {
namespace {

/// Whether oneMKL has such a product, with the chip's units for it.
bool has_widened_gemm() {
  return onemkl_has_units(at::kBFloat16) && onemkl().widened_gemm;
}

void multiply(const at::Tensor& a, const at::Tensor& b, bool add, float* out) {
  const int64_t columns = b.size(1);
  onemkl_multiply({at::kBFloat16, OneMklFactor(a), OneMklFactor(b), a.size(0), columns, a.size(1), add, out, columns});
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
void multiply_and_round(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool add, at::Tensor& out) {
  const int64_t rows = out.size(0), columns = out.size(1), step = std::max<int64_t>(1, kWorkspaceElements / columns);
  const at::Tensor wide_row =
      columns > kWorkspaceElements ? at::empty({columns}, at::TensorOptions(at::kFloat)) : at::Tensor();
  float* sums = wide_row.defined() ? wide_row.mutable_data_ptr<float>() : workspace();
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    multiply(a.narrow(0, first, count), b, false, sums);
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
  return has_widened_gemm() ? "oneMKL" : "ATen";
}

void bfloat16_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, double beta, at::Tensor& out) {
  const bool widened = out.scalar_type() == at::kFloat;
  if ((beta != 0 && beta != 1) || (bias.defined() && (widened || beta != 0))) {
    fail(ErrorCode::internal, "bfloat16_product: expected beta 0 or 1, and a bias alone and with bfloat16, got beta ",
         beta, bias.defined() ? " with a bias" : "");
  }
  if (has_widened_gemm()) {
    if (widened) return multiply(a, b, beta != 0, out.mutable_data_ptr<float>());
    multiply_and_round(a, b, bias, beta != 0, out);
  } else if (widened && beta != 0) {
    widen_and_add(at::mm(a, b), out);
  } else if (widened) {
    at::mm_out(out, a.to(at::kFloat), b.to(at::kFloat));
  } else {
    aten_product(a, b, bias, beta != 0, out);
  }
}

}  // namespace rdrop
