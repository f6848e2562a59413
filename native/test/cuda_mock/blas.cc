// cuBLAS, as far as libtorch's products ask for it.
#include "test/cuda_mock/blas_types.h"
#include "test/cuda_mock/product.h"

namespace cuda_mock {
namespace {

struct Handle {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  int pointer_mode = 0;  ///< 0: alpha and beta are the host's
  int math_mode = 0;
};

Handle& handle_of(void* handle) {
  return *static_cast<Handle*>(handle);
}

int status_of(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return kBlasSuccess;
    case cudaErrorMemoryAllocation:
      return kBlasAllocationFailed;
    case cudaErrorNotSupported:
      return kBlasNotSupported;
    case cudaErrorInvalidValue:
      return kBlasInvalidValue;
    default:
      return kBlasExecutionFailed;
  }
}

int multiply(void* handle_pointer, Product product, int transpose_a, int transpose_b, const void* alpha,
             const void* beta) {
  const Lock lock(mutex());
  Handle& handle = handle_of(handle_pointer);
  if (handle.pointer_mode != 0) {
    violation("%s with factors in the device's memory: the mock does not compute that", product.name);
    return kBlasNotSupported;
  }
  product.transpose_a = transpose_a != kBlasPlain;
  product.transpose_b = transpose_b != kBlasPlain;
  product.alpha = *static_cast<const float*>(alpha);
  product.beta = *static_cast<const float*>(beta);
  product.d = product.c;
  product.tf32 = product.a.type == CUDA_R_32F && (product.tf32 || handle.math_mode == kMathTf32);
  product.workspace = handle.workspace;
  return status_of(submit_product(stream_of(handle.stream), product));
}

Product shape_of(const char* name, int m, int n, int k) {
  Product product;
  product.name = name;
  product.m = m;
  product.n = n;
  product.k = k;
  return product;
}

}  // namespace

MOCK_API int cublasCreate_v2(void** handle) {
  *handle = new Handle;
  return kBlasSuccess;
}

MOCK_API int cublasDestroy_v2(void* handle) {
  delete static_cast<Handle*>(handle);
  return kBlasSuccess;
}

MOCK_API int cublasSetStream_v2(void* handle, cudaStream_t stream) {
  handle_of(handle).stream = stream;
  handle_of(handle).workspace = nullptr;  // as the real one: the workspace is its own again
  return kBlasSuccess;
}

MOCK_API int cublasGetStream_v2(void* handle, cudaStream_t* stream) {
  *stream = handle_of(handle).stream;
  return kBlasSuccess;
}

MOCK_API int cublasSetWorkspace_v2(void* handle, void* workspace, size_t) {
  handle_of(handle).workspace = workspace;
  return kBlasSuccess;
}

MOCK_API int cublasSetPointerMode_v2(void* handle, int mode) {
  handle_of(handle).pointer_mode = mode;
  return kBlasSuccess;
}

MOCK_API int cublasGetPointerMode_v2(void* handle, int* mode) {
  *mode = handle_of(handle).pointer_mode;
  return kBlasSuccess;
}

MOCK_API int cublasSetMathMode(void* handle, int mode) {
  handle_of(handle).math_mode = mode;
  return kBlasSuccess;
}

MOCK_API int cublasGetMathMode(void* handle, int* mode) {
  *mode = handle_of(handle).math_mode;
  return kBlasSuccess;
}

MOCK_API int cublasGetVersion_v2(void*, int* version) {
  *version = 130000;
  return kBlasSuccess;
}

MOCK_API int cublasGemmEx(void* handle, int transpose_a, int transpose_b, int m, int n, int k, const void* alpha,
                          const void* a, cudaDataType a_type, int a_leading, const void* b, cudaDataType b_type,
                          int b_leading, const void* beta, void* c, cudaDataType c_type, int c_leading,
                          int compute_type, int) {
  Product product = shape_of("cublasGemmEx", m, n, k);
  product.tf32 = compute_type == kComputeTf32;
  product.a = {a, a_type, a_leading, 0};
  product.b = {b, b_type, b_leading, 0};
  product.c = {c, c_type, c_leading, 0};
  return multiply(handle, product, transpose_a, transpose_b, alpha, beta);
}

MOCK_API int cublasSgemmEx(void* handle, int transpose_a, int transpose_b, int m, int n, int k, const float* alpha,
                           const void* a, cudaDataType a_type, int a_leading, const void* b, cudaDataType b_type,
                           int b_leading, const float* beta, void* c, cudaDataType c_type, int c_leading) {
  return cublasGemmEx(handle, transpose_a, transpose_b, m, n, k, alpha, a, a_type, a_leading, b, b_type, b_leading,
                      beta, c, c_type, c_leading, 0, 0);
}

MOCK_API int cublasSgemm_v2(void* handle, int transpose_a, int transpose_b, int m, int n, int k, const float* alpha,
                            const float* a, int a_leading, const float* b, int b_leading, const float* beta, float* c,
                            int c_leading) {
  Product product = shape_of("cublasSgemm", m, n, k);
  product.a = {a, CUDA_R_32F, a_leading, 0};
  product.b = {b, CUDA_R_32F, b_leading, 0};
  product.c = {c, CUDA_R_32F, c_leading, 0};
  return multiply(handle, product, transpose_a, transpose_b, alpha, beta);
}

MOCK_API int cublasGemmStridedBatchedEx(void* handle, int transpose_a, int transpose_b, int m, int n, int k,
                                        const void* alpha, const void* a, cudaDataType a_type, int a_leading,
                                        long long a_stride, const void* b, cudaDataType b_type, int b_leading,
                                        long long b_stride, const void* beta, void* c, cudaDataType c_type,
                                        int c_leading, long long c_stride, int batch, int compute_type, int) {
  Product product = shape_of("cublasGemmStridedBatchedEx", m, n, k);
  product.tf32 = compute_type == kComputeTf32;
  product.batch = batch;
  product.a = {a, a_type, a_leading, a_stride};
  product.b = {b, b_type, b_leading, b_stride};
  product.c = {c, c_type, c_leading, c_stride};
  return multiply(handle, product, transpose_a, transpose_b, alpha, beta);
}

MOCK_API int cublasSgemmStridedBatched(void* handle, int transpose_a, int transpose_b, int m, int n, int k,
                                       const float* alpha, const float* a, int a_leading, long long a_stride,
                                       const float* b, int b_leading, long long b_stride, const float* beta, float* c,
                                       int c_leading, long long c_stride, int batch) {
  return cublasGemmStridedBatchedEx(handle, transpose_a, transpose_b, m, n, k, alpha, a, CUDA_R_32F, a_leading,
                                    a_stride, b, CUDA_R_32F, b_leading, b_stride, beta, c, CUDA_R_32F, c_leading,
                                    c_stride, batch, 0, 0);
}

}  // namespace cuda_mock
