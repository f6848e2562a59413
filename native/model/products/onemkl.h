// Functions of oneMKL that libtorch_cpu carries but no header of libtorch declares; hence they are looked up by name,
// and any of them may be absent.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

struct OneMkl {
  /// sgemm_, column by column in memory: transposes, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc.
  void (*gemm)(const char*, const char*, const int*, const int*, const int*, const float*, const float*, const int*,
               const float*, const int*, const float*, float*, const int*);
  /// cblas_gemm_bf16bf16f32, bfloat16 into float32: layout, transposes, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc.
  void (*widened_gemm)(int, int, int, int, int, int, float, const void*, int, const void*, int, float, float*, int);
  /// mkl_set_num_threads_local: of the calling thread's products, 0 as of all; returns what it was.
  int (*set_threads)(int);
};

const OneMkl& onemkl();

/// Whether this is a chip of Intel's with AVX-512, and with its units for bfloat16 where the type is that. The
/// instruction set is that of the kernels in use, so that a test which narrows it takes the other way.
bool onemkl_has_units(at::ScalarType type);

/// A factor for oneMKL: row by row as it lies in memory, or the transpose of that.
struct OneMklFactor {
  const char* data;
  bool transposed;
  int stride;

  explicit OneMklFactor(const at::Tensor& matrix);
};

/// part = a·b (+ part): part [rows,columns] float32 with `stride` numbers a row; a [rows,terms] and b [terms,columns]
/// float32, or bfloat16 where there is a widened_gemm.
struct OneMklPart {
  at::ScalarType type;
  OneMklFactor a, b;
  int64_t rows, columns, terms;
  bool add;
  float* out;
  int64_t stride;
};
void onemkl_multiply(const OneMklPart& part);

}  // namespace rdrop
