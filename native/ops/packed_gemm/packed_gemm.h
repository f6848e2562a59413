// Matrix products on the CPU by kernels of our own, where the libraries have slower ones: oneMKL keeps its AVX-512 for
// Intel's chips, and oneDNN, which multiplies bfloat16 elsewhere, compiles a kernel for every new shape, while nearly
// every batch of real sentences has a number of rows of its own. M rows, N columns, K terms a sum.
//
// A row of the result depends neither on the number of threads nor on the rows beside it.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

/// Whether packed_gemm is the way to multiply this type with the instruction set in use.
bool packed_gemm_fits(at::ScalarType type);

/// The right factor of many products, packed once.
struct PackedFactor {
  at::Tensor panels;
  int64_t terms = 0, columns = 0;
};
/// b [K,N] as packed_gemm takes it, of a type for which packed_gemm_fits.
PackedFactor pack_factor(const at::Tensor& b);

/// out = a·b + bias. Bit for bit what packed_gemm makes of b itself.
void packed_gemm(const at::Tensor& a, const PackedFactor& b, const at::Tensor& bias, at::Tensor& out);

/// out = a·b + bias (+ out). a [M,K] and b [K,N] float32 or bfloat16, each with contiguous rows or contiguous columns;
/// bias [N] of their type or undefined; out [M,N] contiguous, of their type or float32 (then without a bias).
void packed_gemm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool add, at::Tensor& out);

}  // namespace rdrop
