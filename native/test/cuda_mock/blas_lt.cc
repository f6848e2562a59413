// cuBLASLt: one product with an epilogue.
#include <cstring>

#include "test/cuda_mock/blas_types.h"
#include "test/cuda_mock/product.h"

namespace cuda_mock {
namespace {

struct Layout {
  cudaDataType type;
  uint64_t rows, columns;
  int64_t leading;
  int32_t order = 0;  ///< 0: columns lie together
  int32_t batch = 1;
  int64_t stride = 0;
};

struct Description {
  int compute_type = 0;
  int32_t pointer_mode = 0, transpose_a = 0, transpose_b = 0;
  uint32_t epilogue = kLtDefault;
  void* bias = nullptr;
  int64_t bias_stride = 0;
  int32_t bias_type = -1;  ///< of the result
  void* aux = nullptr;
  int64_t aux_leading = 0, aux_stride = 0;
};

template <class T>
int set(T& value, const void* from, size_t bytes) {
  if (bytes != sizeof(T)) return kBlasInvalidValue;
  std::memcpy(&value, from, bytes);
  return kBlasSuccess;
}

Matrix matrix_of(const void* data, const Layout& layout) {
  return {data, layout.type, layout.leading, layout.stride};
}

}  // namespace

MOCK_API int cublasLtCreate(void** handle) {
  *handle = new int(0);
  return kBlasSuccess;
}

MOCK_API int cublasLtDestroy(void* handle) {
  delete static_cast<int*>(handle);
  return kBlasSuccess;
}

MOCK_API size_t cublasLtGetVersion() {
  return 130000;
}

MOCK_API int cublasLtMatmulDescCreate(Description** description, int compute_type, int) {
  *description = new Description{compute_type};
  return kBlasSuccess;
}

MOCK_API int cublasLtMatmulDescDestroy(Description* description) {
  delete description;
  return kBlasSuccess;
}

MOCK_API int cublasLtMatmulDescSetAttribute(Description* d, int attribute, const void* value, size_t bytes) {
  switch (attribute) {
    case kLtComputeType:
      return set(d->compute_type, value, bytes);
    case kLtPointerMode:
      return set(d->pointer_mode, value, bytes);
    case kLtTransposeA:
      return set(d->transpose_a, value, bytes);
    case kLtTransposeB:
      return set(d->transpose_b, value, bytes);
    case kLtEpilogue:
      return set(d->epilogue, value, bytes);
    case kLtBiasPointer:
      return set(d->bias, value, bytes);
    case kLtBiasBatchStride:
      return set(d->bias_stride, value, bytes);
    case kLtBiasType:
      return set(d->bias_type, value, bytes);
    case kLtAuxPointer:
      return set(d->aux, value, bytes);
    case kLtAuxLeading:
      return set(d->aux_leading, value, bytes);
    case kLtAuxBatchStride:
      return set(d->aux_stride, value, bytes);
    default:
      return kBlasSuccess;  // how, not what: number of multiprocessors, fast accumulation, scales of 8-bit types
  }
}

MOCK_API int cublasLtMatrixLayoutCreate(Layout** layout, cudaDataType type, uint64_t rows, uint64_t columns,
                                        int64_t leading) {
  *layout = new Layout{type, rows, columns, leading};
  return kBlasSuccess;
}

MOCK_API int cublasLtMatrixLayoutDestroy(Layout* layout) {
  delete layout;
  return kBlasSuccess;
}

MOCK_API int cublasLtMatrixLayoutSetAttribute(Layout* layout, int attribute, const void* value, size_t bytes) {
  switch (attribute) {
    case kLtType:
      return set(layout->type, value, bytes);
    case kLtOrder:
      return set(layout->order, value, bytes);
    case kLtRows:
      return set(layout->rows, value, bytes);
    case kLtColumns:
      return set(layout->columns, value, bytes);
    case kLtLeading:
      return set(layout->leading, value, bytes);
    case kLtBatchCount:
      return set(layout->batch, value, bytes);
    case kLtBatchStride:
      return set(layout->stride, value, bytes);
    default:
      return kBlasSuccess;
  }
}

MOCK_API int cublasLtMatmulPreferenceCreate(void** preference) {
  *preference = new int(0);
  return kBlasSuccess;
}

MOCK_API int cublasLtMatmulPreferenceDestroy(void* preference) {
  delete static_cast<int*>(preference);
  return kBlasSuccess;
}

MOCK_API int cublasLtMatmulPreferenceSetAttribute(void*, int, const void*, size_t) {
  return kBlasSuccess;
}

/// One algorithm, without a workspace; its opaque description is zeros.
MOCK_API int cublasLtMatmulAlgoGetHeuristic(void*, Description*, Layout*, Layout*, Layout*, Layout*, void*, int,
                                            void* results, int* count) {
  constexpr size_t kResultBytes = 96;
  std::memset(results, 0, kResultBytes);
  *count = 1;
  return kBlasSuccess;
}

MOCK_API int cublasLtMatmul(void*, const Description* description, const void* alpha, const void* a, const Layout* la,
                            const void* b, const Layout* lb, const void* beta, const void* c, const Layout* lc, void* d,
                            const Layout* ld, const void*, void* workspace, size_t, cudaStream_t stream) {
  const Lock lock(mutex());
  if (description->pointer_mode != 0 || la->order || lb->order || lc->order || ld->order) {
    violation("cublasLtMatmul with factors in the device's memory or rows that lie together: the mock lacks that");
    return kBlasNotSupported;
  }
  if (description->epilogue & kLtBias && reinterpret_cast<uintptr_t>(description->bias) % 16 != 0) {
    violation("cublasLtMatmul with a bias that is not on a boundary of 16 bytes");
  }
  Product product;
  product.name = "cublasLtMatmul";
  product.transpose_a = description->transpose_a != kBlasPlain;
  product.transpose_b = description->transpose_b != kBlasPlain;
  product.m = int64_t(ld->rows);
  product.n = int64_t(ld->columns);
  product.k = int64_t(product.transpose_a ? la->rows : la->columns);
  product.batch = ld->batch;
  product.a = matrix_of(a, *la);
  product.b = matrix_of(b, *lb);
  product.c = matrix_of(c, *lc);
  product.d = matrix_of(d, *ld);
  product.tf32 = la->type == CUDA_R_32F && description->compute_type == kComputeTf32;
  product.alpha = *static_cast<const float*>(alpha);
  product.beta = *static_cast<const float*>(beta);
  product.epilogue = description->epilogue;
  constexpr uint32_t kWithBias = kLtBias | kLtBiasGradient | kLtBiasGradientA | kLtBiasGradientB;
  if (product.epilogue & kWithBias) {
    const auto type = description->bias_type < 0 ? ld->type : cudaDataType(description->bias_type);
    product.bias = {description->bias, type, int64_t(ld->rows), description->bias_stride};
  }
  if (product.epilogue & kLtAux)
    product.aux = {description->aux, CUDA_R_32F, description->aux_leading, description->aux_stride};
  product.workspace = workspace;
  const cudaError_t status = submit_product(stream_of(stream), product);
  return status == cudaSuccess                 ? kBlasSuccess
         : status == cudaErrorNotSupported     ? kBlasNotSupported
         : status == cudaErrorMemoryAllocation ? kBlasAllocationFailed
                                               : kBlasExecutionFailed;
}

}  // namespace cuda_mock
