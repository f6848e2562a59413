// The constants of cuBLAS and cuBLASLt that the mock knows. They have headers of their own, which neither the CUDA
// toolkit for compiling nor libtorch brings; names and numbers are those of NVIDIA's documentation.
#pragma once

#include <cstdint>

namespace cuda_mock {

enum BlasStatus {
  kBlasSuccess = 0,
  kBlasAllocationFailed = 3,
  kBlasInvalidValue = 7,
  kBlasExecutionFailed = 13,
  kBlasNotSupported = 15
};

/// CUBLAS_OP_*
enum BlasOperation { kBlasPlain = 0, kBlasTransposed = 1, kBlasConjugate = 2 };

/// CUBLAS_COMPUTE_32F_FAST_TF32, and CUBLAS_TF32_TENSOR_OP_MATH of a handle.
constexpr int kComputeTf32 = 77, kMathTf32 = 3;

/// CUBLASLT_MATMUL_DESC_*
enum LtMatmulAttribute {
  kLtComputeType = 0,
  kLtScaleType = 1,
  kLtPointerMode = 2,
  kLtTransposeA = 3,
  kLtTransposeB = 4,
  kLtEpilogue = 7,
  kLtBiasPointer = 8,
  kLtBiasBatchStride = 10,
  kLtAuxPointer = 11,
  kLtAuxLeading = 12,
  kLtAuxBatchStride = 13,
  kLtBiasType = 26,
};

/// CUBLASLT_MATRIX_LAYOUT_*
enum LtLayoutAttribute {
  kLtType = 0,
  kLtOrder = 1,
  kLtRows = 2,
  kLtColumns = 3,
  kLtLeading = 4,
  kLtBatchCount = 5,
  kLtBatchStride = 6,
};

/// Bits of CUBLASLT_EPILOGUE_*: RELU_AUX_BIAS is kRelu | kAux | kBias, DRELU_BGRAD is kReluBackward | kAux |
/// kBiasGradient.
enum LtEpilogue : uint32_t {
  kLtDefault = 1,
  kLtRelu = 2,
  kLtBias = 4,
  kLtReluBackward = 8,
  kLtBiasGradient = 16,
  kLtGelu = 32,
  kLtGeluBackward = 64,
  kLtAux = 128,
  kLtBiasGradientA = 256,
  kLtBiasGradientB = 512,
};

}  // namespace cuda_mock
