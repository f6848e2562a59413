// See products.h.
#include "device/cuda/products.h"

#include <ATen/Context.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

namespace rdrop {

CudaProducts::CudaProducts(CudaContext& context) : context_(context) {
  // Products are summed in float32, also where cuBLAS splits the inner dimension.
  at::globalContext().setAllowFP16ReductionCuBLAS(false);
  at::globalContext().setAllowBF16ReductionCuBLAS(false);
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const auto zeros = [&](at::IntArrayRef sizes, at::ScalarType element) {
      return at::zeros(sizes, at::TensorOptions(element).device(context_.place()));
    };
    const at::Tensor a = zeros({16, 16}, type), bias = zeros({16}, type);
    at::Tensor out = zeros({16, 16}, type), wide = zeros({16, 16}, at::kFloat);
    add_product(a, a, 0, out);
    add_product(a, a, 1, out);
    at::addmm_out(out, bias, a, a);
    if (type == at::kFloat) continue;
    add_product(a, a, 0, wide);
    try {
      add_product(a, a, 1, wide);
    } catch (const c10::Error&) {
      adds_in_place_ = false;
    }
  }
  context_.check_status(cudaStreamSynchronize(context_.stream.stream()), "the first matrix products");
}

void CudaProducts::multiply(const at::Tensor& a, const at::Tensor& b, double beta, at::Tensor& out) {
  context_.run("matrix product", [&] { add_product(a, b, beta, out); });
}

void CudaProducts::multiply_with_bias(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias,
                                      at::Tensor& out) {
  context_.run("matrix product with a bias", [&] {
    if (out.scalar_type() == a.scalar_type() && bias.scalar_type() == out.scalar_type()) {
      at::addmm_out(out, bias, a, b);
    } else {
      out.copy_(bias.expand_as(out));
      add_product(a, b, 1, out);
    }
  });
}

void CudaProducts::allow_tf32(bool allow) {
  at::globalContext().setAllowTF32CuBLAS(allow);
}

void CudaProducts::add_product(const at::Tensor& a, const at::Tensor& b, double beta, at::Tensor& out) {
  const bool same = out.scalar_type() == a.scalar_type();
  if (same && beta == 0) {
    at::mm_out(out, a, b);
  } else if (same) {
    at::addmm_out(out, out, a, b, beta, 1);
  } else if (beta == 0) {
    at::mm_out(out, a, b, out.scalar_type());
  } else if (adds_in_place_) {
    at::addmm_out(out, out, a, b, out.scalar_type(), beta, 1);
  } else {
    const at::Tensor result = at::mm(a, b, out.scalar_type());
    if (beta != 1) out.mul_(beta);
    out.add_(result);
  }
}

}  // namespace rdrop
