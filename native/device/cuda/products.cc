// See products.h. cuBLASLt counts by columns: a row-major matrix is its transpose there, so outᵀ = bᵀ·aᵀ is asked for,
// with b first. Letters: m rows and n columns of out, k the inner dimension.
#include "device/cuda/products.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <tuple>

namespace rdrop {
namespace {

/// As PyTorch gives cuBLASLt on sm_90; a GPU of any size can spare it.
constexpr int64_t kWorkspaceBytes = int64_t(32) << 20;

/// Bytes. cuBLASLt may choose a kernel that reads a bias in such pieces, and cannot be told that it lies elsewhere
/// (github.com/pytorch/pytorch/pull/194497). The biases of a model that start there are read where they are.
constexpr int64_t kBiasAlignment = 16;

/// A matrix of a batch: rows that lie one after another, or columns (transposed).
struct Factor {
  bool transposed;
  int64_t leading;  ///< elements from a row, or column, to the next
};

Factor factor_of(const at::Tensor& matrix) {
  const int64_t rows = matrix.size(-2), columns = matrix.size(-1);
  const int64_t down = matrix.stride(-2), right = matrix.stride(-1);
  if ((right == 1 || columns == 1) && (rows == 1 || down >= columns)) return {false, rows == 1 ? columns : down};
  if ((down == 1 || rows == 1) && (columns == 1 || right >= rows)) return {true, columns == 1 ? rows : right};
  fail(ErrorCode::internal, "matrix product: expected a matrix with whole rows or columns, got strides ", down, " and ",
       right, " of ", rows, " × ", columns);
}

/// How far apart the matrices of a batch are, in elements.
int64_t offset_of(const at::Tensor& matrices) {
  return matrices.dim() == 3 ? matrices.stride(0) : 0;
}

cudaDataType data_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return CUDA_R_32F;
    case at::kBFloat16:
      return CUDA_R_16BF;
    case at::kHalf:
      return CUDA_R_16F;
    default:
      fail(ErrorCode::internal, "matrix product: expected float32, bfloat16 or float16, got ", c10::toString(type));
  }
}

/// The largest power of two up to 256 that an address is a multiple of, and every one that lies `apart` bytes further.
int64_t alignment_of(const void* pointer, int64_t apart = 0) {
  const auto address = reinterpret_cast<uintptr_t>(pointer) | uintptr_t(apart);
  return address == 0 ? 256 : int64_t(std::min<uintptr_t>(address & (~address + 1), 256));
}

int64_t alignment_of(const at::Tensor& matrices) {
  return alignment_of(matrices.const_data_ptr(), offset_of(matrices) * int64_t(matrices.element_size()));
}

/// Places in a Shape.
enum : size_t {
  at_m,
  at_n,
  at_k,
  at_count,
  at_type,
  at_out_type,
  at_tf32,
  at_epilogue,
  at_a_transposed,
  at_a_leading,
  at_a_offset,
  at_a_alignment,
  at_b_transposed,
  at_b_leading,
  at_b_offset,
  at_b_alignment,
  at_out_leading,
  at_out_offset,
  at_out_alignment,
  at_bias_alignment,
  at_end
};

}  // namespace

CudaProducts::CudaProducts(CudaContext& context) : context_(context), library_(cublaslt::load()) {
  const auto on_device = [&](at::ScalarType type) { return at::TensorOptions(type).device(context_.place()); };
  check(library_.create(&handle_), "the handle of cuBLASLt");
  workspace_ = at::empty({kWorkspaceBytes}, on_device(at::kByte));
  second_workspace_ = at::empty({kWorkspaceBytes}, on_device(at::kByte));
  for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const at::Tensor a = at::zeros({16, 16}, on_device(type)), bias = at::zeros({16}, on_device(type));
    at::Tensor out = at::zeros({16, 16}, on_device(type)), wide = at::zeros({16, 16}, on_device(at::kFloat));
    multiply(a, a, out, {0, bias, true, false});
    multiply(a.t(), a, wide, {1, {}, false, false});
  }
  context_.check_status(cudaStreamSynchronize(context_.stream.stream()), "the first matrix products");
}

void CudaProducts::multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor& out, const ProductOptions& options) {
  const bool batch = out.dim() == 3;
  const int64_t m = out.size(-2), n = out.size(-1), k = a.size(-1), count = batch ? out.size(0) : 1;
  if (out.numel() == 0) return;
  context_.run("matrix product", [&] {
    if (k == 0) {
      if (options.bias.defined()) fail(ErrorCode::internal, "matrix product: no inner dimension, but a bias");
      out.mul_(options.beta);
      return;
    }
    const Factor first = factor_of(b), second = factor_of(a), result = factor_of(out);
    if (result.transposed) fail(ErrorCode::internal, "matrix product: expected rows of out one after another");
    at::Tensor aligned = options.bias;
    if (aligned.defined() && alignment_of(aligned.const_data_ptr()) < kBiasAlignment) aligned = aligned.clone();
    const void* const bias = aligned.defined() ? aligned.const_data_ptr() : nullptr;
    if ((bias && options.beta != 0) || (options.relu && !bias)) {
      fail(ErrorCode::internal, "matrix product: expected a bias without beta, and relu with a bias alone");
    }
    const int64_t epilogue = options.relu ? cublaslt::epilogue_relu_bias
                             : bias       ? cublaslt::epilogue_bias
                                          : cublaslt::epilogue_none;
    const Shape shape{m,
                      n,
                      k,
                      count,
                      data_type(a.scalar_type()),
                      data_type(out.scalar_type()),
                      options.tf32 && a.scalar_type() == at::kFloat,
                      epilogue,
                      first.transposed,
                      first.leading,
                      offset_of(b),
                      alignment_of(b),
                      second.transposed,
                      second.leading,
                      offset_of(a),
                      alignment_of(a),
                      result.leading,
                      offset_of(out),
                      alignment_of(out),
                      alignment_of(bias)};
    const Plan& plan = plan_of(shape, bias);
    if (bias) check(library_.set_operation(plan.operation, cublaslt::bias_pointer, &bias, sizeof(bias)), "its bias");
    const float alpha = 1, beta = float(options.beta);
    void* const to = out.mutable_data_ptr();
    const at::Tensor& workspace = context_.beside ? second_workspace_ : workspace_;
    check(library_.multiply(handle_, plan.operation, &alpha, b.const_data_ptr(), plan.a, a.const_data_ptr(), plan.b,
                            &beta, to, plan.out, to, plan.out, &plan.algorithm, workspace.mutable_data_ptr(),
                            size_t(kWorkspaceBytes), context_.current().stream()),
          "matrix product");
  });
}

const CudaProducts::Plan& CudaProducts::plan_of(const Shape& shape, const void* bias) {
  const auto [found, is_new] = plans_.try_emplace(shape);
  if (!is_new) return found->second;
  try {
    choose(found->second, shape, bias);
  } catch (...) {
    plans_.erase(found);
    throw;
  }
  return found->second;
}

void CudaProducts::choose(Plan& plan, const Shape& shape, const void* bias) {
  const auto attribute = [&](auto set, auto object, auto name, auto value) {
    check(set(object, name, &value, sizeof(value)), "description of a matrix product");
  };
  const auto type = cudaDataType(shape[at_type]), out_type = cudaDataType(shape[at_out_type]);
  const auto layout = [&](cublaslt::Layout& to, cudaDataType element, int64_t rows, int64_t columns, int64_t leading,
                          int64_t offset) {
    check(library_.create_layout(&to, element, uint64_t(rows), uint64_t(columns), leading), "shape of a matrix");
    if (shape[at_count] == 1) return;
    attribute(library_.set_layout, to, cublaslt::batch_count, int32_t(shape[at_count]));
    attribute(library_.set_layout, to, cublaslt::batch_offset, offset);
  };
  check(library_.create_operation(&plan.operation, shape[at_tf32] ? cublaslt::compute_tf32 : cublaslt::compute_float32,
                                  CUDA_R_32F),
        "description of a matrix product");
  attribute(library_.set_operation, plan.operation, cublaslt::transpose_a, int32_t(shape[at_a_transposed]));
  attribute(library_.set_operation, plan.operation, cublaslt::transpose_b, int32_t(shape[at_b_transposed]));
  attribute(library_.set_operation, plan.operation, cublaslt::epilogue, uint32_t(shape[at_epilogue]));
  if (bias) {
    attribute(library_.set_operation, plan.operation, cublaslt::bias_pointer, bias);
    attribute(library_.set_operation, plan.operation, cublaslt::bias_type, int32_t(out_type));
  }
  const auto [m, n, k] = std::tuple(shape[at_m], shape[at_n], shape[at_k]);
  const bool a_turned = shape[at_a_transposed] != 0, b_turned = shape[at_b_transposed] != 0;
  layout(plan.a, type, a_turned ? k : n, a_turned ? n : k, shape[at_a_leading], shape[at_a_offset]);
  layout(plan.b, type, b_turned ? m : k, b_turned ? k : m, shape[at_b_leading], shape[at_b_offset]);
  layout(plan.out, out_type, n, m, shape[at_out_leading], shape[at_out_offset]);

  cublaslt::Preference preference = nullptr;
  check(library_.create_preference(&preference), "choice of a matrix product");
  attribute(library_.set_preference, preference, cublaslt::most_workspace, uint64_t(kWorkspaceBytes));
  attribute(library_.set_preference, preference, cublaslt::reduction_schemes, cublaslt::reduction_in_workspace);
  attribute(library_.set_preference, preference, cublaslt::alignment_a, uint32_t(shape[at_a_alignment]));
  attribute(library_.set_preference, preference, cublaslt::alignment_b, uint32_t(shape[at_b_alignment]));
  attribute(library_.set_preference, preference, cublaslt::alignment_c, uint32_t(shape[at_out_alignment]));
  attribute(library_.set_preference, preference, cublaslt::alignment_d, uint32_t(shape[at_out_alignment]));
  cublaslt::Heuristic heuristic{};
  int count = 0;
  const cublaslt::Status status =
      library_.find(handle_, plan.operation, plan.a, plan.b, plan.out, plan.out, preference, 1, &heuristic, &count);
  library_.destroy_preference(preference);
  check(status, "choice of a matrix product");
  if (count == 0) {
    fail(ErrorCode::cuda_failed, "cuBLASLt has no way to multiply ", shape[at_count], " times ", m, " × ", k, " by ", k,
         " × ", n);
  }
  plan.algorithm = heuristic.algorithm;
}

void CudaProducts::check(cublaslt::Status status, const char* what) const {
  if (status == cublaslt::success) return;
  context_.examine();
  fail(ErrorCode::cuda_failed, what, ": cuBLASLt reports status ", int(status));
}

}  // namespace rdrop
