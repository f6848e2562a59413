// Matrix products of the mock's cuBLAS, in float32 and with the rounding of the emulated device's.
#pragma once

#include <cuda_runtime_api.h>
#include <library_types.h>

#include <cstdint>

#include "test/cuda_mock/state.h"

namespace cuda_mock {

/// A matrix of cuBLAS: elements of a column lie together. One of `stride` elements distance for each of the batch.
struct Matrix {
  const void* data = nullptr;
  cudaDataType type = CUDA_R_32F;
  int64_t leading = 0;
  int64_t stride = 0;
};

/// d = alpha·op(a)·op(b) + beta·c, d and c [m,n], op(a) [m,k], op(b) [k,n]; then what the epilogue says.
struct Product {
  int64_t m = 0, n = 0, k = 0, batch = 1;
  bool transpose_a = false, transpose_b = false;
  bool tf32 = false;  ///< factors of float32 are rounded to TF32
  Matrix a, b, c, d;
  float alpha = 1, beta = 0;
  uint32_t epilogue = 1;  ///< bits of LtEpilogue
  Matrix bias;            ///< a vector: [m], of kLtBiasGradientB [n]
  Matrix aux;             ///< bits that say where relu let pass, [m,n]; leading counts bits
  const void* workspace = nullptr;
  const char* name = "";
};

/// Puts a product on a stream. Not supported: other types than float32, bfloat16 and float16, gelu.
cudaError_t submit_product(Stream& stream, const Product& product);

}  // namespace cuda_mock
