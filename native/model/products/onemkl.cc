// See onemkl.h.
#include "model/products/onemkl.h"

#include <dlfcn.h>

#include <algorithm>

#include "core/kernels.h"

namespace rdrop {
namespace {

constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;

template <typename F>
void look_up(F& function, const char* name) {
  function = reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace

const OneMkl& onemkl() {
  static const OneMkl found = [] {
    OneMkl functions{};
    look_up(functions.gemm, "sgemm_");
    look_up(functions.widened_gemm, "cblas_gemm_bf16bf16f32");
    look_up(functions.set_threads, "MKL_Set_Num_Threads_Local");
    return functions;
  }();
  return found;
}

bool onemkl_has_units(at::ScalarType type) {
  static const bool intel = __builtin_cpu_is("intel"), pairs = __builtin_cpu_supports("avx512bf16");
  if (!intel || instruction_set() != InstructionSet::avx512) return false;
  return type == at::kFloat || (type == at::kBFloat16 && pairs);
}

OneMklFactor::OneMklFactor(const at::Tensor& matrix) : data(static_cast<const char*>(matrix.const_data_ptr())) {
  transposed = matrix.stride(1) != 1;
  const int64_t inner = transposed ? 0 : 1;
  stride = int(std::max(matrix.stride(1 - inner), matrix.size(inner)));
}

void onemkl_multiply(const OneMklPart& part) {
  const int rows = int(part.rows), columns = int(part.columns), terms = int(part.terms), stride = int(part.stride);
  const float one = 1, beta = part.add ? 1 : 0;
  if (part.type == at::kBFloat16) {
    return onemkl().widened_gemm(kRowMajor, part.a.transposed ? kTransposed : kPlain,
                                 part.b.transposed ? kTransposed : kPlain, rows, columns, terms, one, part.a.data,
                                 part.a.stride, part.b.data, part.b.stride, beta, part.out, stride);
  }
  // What lies row by row is the transpose to sgemm, and outᵀ = bᵀ·aᵀ.
  onemkl().gemm(part.b.transposed ? "T" : "N", part.a.transposed ? "T" : "N", &columns, &rows, &terms, &one,
                reinterpret_cast<const float*>(part.b.data), &part.b.stride,
                reinterpret_cast<const float*>(part.a.data), &part.a.stride, &beta, part.out, &stride);
}

}  // namespace rdrop
