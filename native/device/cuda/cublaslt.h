// The functions of cuBLASLt that products need, as cublasLt.h declares them (CUDA 12 and 13). That header comes neither
// with nvcc nor with a wheel of libtorch, so the few names are written out here; the library is the one that
// libtorch_cuda has brought into the process.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace rdrop::cublaslt {

using Handle = struct HandleBody*;
using Operation = struct OperationBody*;    // cublasLtMatmulDesc_t
using Layout = struct LayoutBody*;          // cublasLtMatrixLayout_t
using Preference = struct PreferenceBody*;  // cublasLtMatmulPreference_t

enum Status : int { success = 0 };
enum ComputeType : int { compute_float32 = 68, compute_tf32 = 77 };
enum OperationAttribute : int { transpose_a = 3, transpose_b = 4, epilogue = 7, bias_pointer = 8, bias_type = 26 };
enum LayoutAttribute : int { batch_count = 5, batch_offset = 6 };
enum PreferenceAttribute : int {
  most_workspace = 1,
  reduction_schemes = 3,
  alignment_a = 5,
  alignment_b = 6,
  alignment_c = 7,
  alignment_d = 8
};
/// Parts of a split inner dimension lie in the workspace in float32 and are added by a kernel of their own, always in
/// the same order.
constexpr uint32_t reduction_in_workspace = 2;
enum Epilogue : uint32_t { epilogue_none = 1, epilogue_bias = 4, epilogue_relu_bias = 6 };

struct Algorithm {
  uint64_t data[8];
};

struct Heuristic {
  Algorithm algorithm;
  size_t workspace_bytes;
  Status state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Heuristic) == 96);

struct Library {
  Status (*create)(Handle*);
  Status (*create_operation)(Operation*, ComputeType, cudaDataType);
  Status (*set_operation)(Operation, OperationAttribute, const void*, size_t);
  Status (*create_layout)(Layout*, cudaDataType, uint64_t rows, uint64_t columns, int64_t leading);
  Status (*set_layout)(Layout, LayoutAttribute, const void*, size_t);
  Status (*create_preference)(Preference*);
  Status (*destroy_preference)(Preference);
  Status (*set_preference)(Preference, PreferenceAttribute, const void*, size_t);
  Status (*find)(Handle, Operation, Layout a, Layout b, Layout c, Layout d, Preference, int wanted, Heuristic*,
                 int* found);
  Status (*multiply)(Handle, Operation, const void* alpha, const void* a, Layout, const void* b, Layout,
                     const void* beta, const void* c, Layout, void* d, Layout, const Algorithm*, void* workspace,
                     size_t workspace_bytes, cudaStream_t);
};

/// Throws CUDA_UNAVAILABLE where the process has no cuBLASLt.
Library load();

}  // namespace rdrop::cublaslt
