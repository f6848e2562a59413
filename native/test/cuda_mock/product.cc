// See product.h.
#include "test/cuda_mock/product.h"

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "core/host_device.h"
#include "test/cuda_mock/blas_types.h"
#include "test/cuda_mock/control.h"
#include "test/cuda_mock/memory.h"

namespace cuda_mock {
namespace {

using rdrop::Bfloat16;
using rdrop::Half;

int64_t element_bytes(cudaDataType type) {
  return type == CUDA_R_32F ? 4 : 2;
}

bool is_known(cudaDataType type) {
  return type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF;
}

template <class F>
void with_element(cudaDataType type, F&& f) {
  if (type == CUDA_R_16F) return f(Half{});
  if (type == CUDA_R_16BF) return f(Bfloat16{});
  f(float{});
}

const char* start_of(const Matrix& matrix, int64_t index) {
  return static_cast<const char*>(matrix.data) + index * matrix.stride * element_bytes(matrix.type);
}

/// To the 10 bits that TF32 keeps of a fraction, ties to even.
float rounded_to_tf32(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  constexpr uint32_t kExponent = 0x7f800000, kDropped = 13;
  if ((bits & kExponent) == kExponent) return x;
  bits += (1u << (kDropped - 1)) - 1 + (bits >> kDropped & 1);
  bits &= ~((1u << kDropped) - 1);
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

/// Products of float32 that were computed, as they are and in TF32.
std::atomic<long> computed[2];
std::atomic<int64_t> multiplications;

/// Dense [rows,columns], a column after the other.
std::vector<float> values_of(const Matrix& matrix, int64_t index, int64_t rows, int64_t columns) {
  std::vector<float> values(size_t(rows * columns));
  with_element(matrix.type, [&](auto element) {
    using T = decltype(element);
    const auto* from = reinterpret_cast<const T*>(start_of(matrix, index));
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t i = 0; i < rows; ++i) {
        values[size_t(j * rows + i)] = rdrop::portable::to_float(from[j * matrix.leading + i]);
      }
    }
  });
  return values;
}

void write(const Matrix& matrix, int64_t index, int64_t rows, int64_t columns, const std::vector<float>& values) {
  with_element(matrix.type, [&](auto element) {
    using T = decltype(element);
    auto* to = reinterpret_cast<T*>(const_cast<char*>(start_of(matrix, index)));
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t i = 0; i < rows; ++i) {
        rdrop::portable::assign(to[j * matrix.leading + i], values[size_t(j * rows + i)]);
      }
    }
  });
}

using Sgemm = void(const char*, const char*, const int*, const int*, const int*, const float*, const float*, const int*,
                   const float*, const int*, const float*, float*, const int*);

/// op(a)·op(b), dense. By the BLAS inside libtorch, as the emulated device's products are, so that both round alike.
void multiply(const Product& p, const std::vector<float>& a, const std::vector<float>& b, std::vector<float>& out) {
  static auto* sgemm = reinterpret_cast<Sgemm*>(dlsym(RTLD_DEFAULT, "sgemm_"));
  if (sgemm && p.k > 0) {
    const int m = int(p.m), n = int(p.n), k = int(p.k);
    const int leading_a = p.transpose_a ? k : m, leading_b = p.transpose_b ? n : k;
    const float one = 1, zero = 0;
    sgemm(p.transpose_a ? "T" : "N", p.transpose_b ? "T" : "N", &m, &n, &k, &one, a.data(), &leading_a, b.data(),
          &leading_b, &zero, out.data(), &m);
    return;
  }
  for (int64_t j = 0; j < p.n; ++j) {
    for (int64_t i = 0; i < p.m; ++i) {
      float sum = 0;
      for (int64_t l = 0; l < p.k; ++l) {
        sum +=
            a[size_t(p.transpose_a ? i * p.k + l : l * p.m + i)] * b[size_t(p.transpose_b ? l * p.n + j : j * p.k + l)];
      }
      out[size_t(j * p.m + i)] = sum;
    }
  }
}

uint8_t* mask_byte(const Product& p, int64_t index, int64_t i, int64_t j) {
  return static_cast<uint8_t*>(const_cast<void*>(p.aux.data)) + (index * p.aux.stride + j * p.aux.leading + i) / 8;
}

/// Bias, relu and their backward on a result [m,n] in float32.
void apply_epilogue(const Product& p, int64_t index, std::vector<float>& out) {
  const auto at = [&](int64_t i, int64_t j) -> float& { return out[size_t(j * p.m + i)]; };
  const auto each = [&](auto f) {
    for (int64_t j = 0; j < p.n; ++j) {
      for (int64_t i = 0; i < p.m; ++i) f(i, j);
    }
  };
  if (p.epilogue & kLtBias) {
    const std::vector<float> bias = values_of(p.bias, index, p.m, 1);
    each([&](int64_t i, int64_t j) { at(i, j) += bias[size_t(i)]; });
  }
  if (p.epilogue & kLtRelu) {
    each([&](int64_t i, int64_t j) {
      const bool passes = at(i, j) > 0;
      if (p.epilogue & kLtAux) {
        uint8_t& byte = *mask_byte(p, index, i, j);
        const auto bit = uint8_t(1u << (i % 8));
        byte = passes ? byte | bit : byte & ~bit;
      }
      if (!passes && at(i, j) == at(i, j)) at(i, j) = 0;
    });
  }
  if (p.epilogue & kLtReluBackward) {
    each([&](int64_t i, int64_t j) {
      if (!(*mask_byte(p, index, i, j) >> (i % 8) & 1)) at(i, j) = 0;
    });
  }
  if (p.epilogue & kLtBiasGradient) {
    std::vector<float> sums(size_t(p.m));
    each([&](int64_t i, int64_t j) { sums[size_t(i)] += at(i, j); });
    write(p.bias, index, p.m, 1, sums);
  }
}

/// Sums of op(a) or op(b) over k.
void sum_of_factor(const Product& p, int64_t index, const std::vector<float>& a, const std::vector<float>& b) {
  const bool of_a = p.epilogue & kLtBiasGradientA;
  const int64_t count = of_a ? p.m : p.n;
  const bool inner_first = of_a ? p.transpose_a : !p.transpose_b;
  std::vector<float> sums(size_t(count), 0);
  for (int64_t l = 0; l < p.k; ++l) {
    for (int64_t i = 0; i < count; ++i) {
      sums[size_t(i)] += (of_a ? a : b)[size_t(inner_first ? i * p.k + l : l * count + i)];
    }
  }
  write(p.bias, index, count, 1, sums);
}

void compute(const Product& p) {
  if (p.a.type == CUDA_R_32F) ++computed[p.tf32];
  multiplications += p.batch * p.m * p.n * p.k;
  for (int64_t index = 0; index < p.batch; ++index) {
    std::vector<float> a = p.transpose_a ? values_of(p.a, index, p.k, p.m) : values_of(p.a, index, p.m, p.k);
    std::vector<float> b = p.transpose_b ? values_of(p.b, index, p.n, p.k) : values_of(p.b, index, p.k, p.n);
    if (p.tf32) {
      for (auto* factor : {&a, &b}) std::transform(factor->begin(), factor->end(), factor->begin(), rounded_to_tf32);
    }
    std::vector<float> out(size_t(p.m * p.n));
    multiply(p, a, b, out);
    if (p.alpha != 1) std::for_each(out.begin(), out.end(), [&](float& x) { x *= p.alpha; });
    if (p.beta != 0) {
      const std::vector<float> before = values_of(p.c, index, p.m, p.n);
      for (size_t i = 0; i < out.size(); ++i) out[i] += p.beta * before[i];
    }
    apply_epilogue(p, index, out);
    if (p.epilogue & (kLtBiasGradientA | kLtBiasGradientB)) sum_of_factor(p, index, a, b);
    write(p.d, index, p.m, p.n, out);
  }
}

void add_range(std::vector<Range>& memory, const Matrix& matrix, int64_t rows, int64_t columns, int64_t batch) {
  if (!matrix.data || rows == 0 || columns == 0) return;
  const int64_t elements = (batch - 1) * matrix.stride + (columns - 1) * matrix.leading + rows;
  memory.push_back({matrix.data, size_t(elements * element_bytes(matrix.type))});
}

}  // namespace

cudaError_t submit_product(Stream& stream, const Product& p) {
  constexpr uint32_t kUnknown = kLtGelu | kLtGeluBackward;
  if (!is_known(p.a.type) || !is_known(p.b.type) || !is_known(p.d.type) || (p.epilogue & kUnknown)) {
    violation("%s of types %d, %d, %d with epilogue %u: the mock does not compute that", p.name, int(p.a.type),
              int(p.b.type), int(p.d.type), p.epilogue);
    return cudaErrorNotSupported;
  }
  const int64_t least_a = p.transpose_a ? p.k : p.m, least_b = p.transpose_b ? p.n : p.k;
  if (p.a.leading < std::max<int64_t>(1, least_a) || p.b.leading < std::max<int64_t>(1, least_b) ||
      p.d.leading < std::max<int64_t>(1, p.m)) {
    violation("%s [%ld,%ld,%ld]: a leading dimension is too small", p.name, long(p.m), long(p.n), long(p.k));
    return cudaErrorInvalidValue;
  }
  if (const auto failed = begin(Call::product)) {
    if (stream.capture) invalidate(*stream.capture, failed, "a product that failed");
    return failed;
  }
  Work work;
  work.kind = Work::Kind::product;
  char name[128];
  std::snprintf(name, sizeof(name), "%s [%ld,%ld,%ld] x%ld", p.name, long(p.m), long(p.n), long(p.k), long(p.batch));
  work.name = name;
  add_range(work.memory, p.a, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.batch);
  add_range(work.memory, p.b, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.batch);
  if (p.beta != 0) add_range(work.memory, p.c, p.m, p.n, p.batch);
  add_range(work.memory, p.d, p.m, p.n, p.batch);
  add_range(work.memory, p.bias, p.epilogue & kLtBiasGradientB ? p.n : p.m, 1, p.batch);
  if (p.aux.data) work.memory.push_back({p.aux.data, size_t((p.n - 1) * p.aux.leading + p.m + 7) / 8});
  if (p.workspace) work.memory.push_back({p.workspace, 1});
  if (settings().compute) work.run = [p] { compute(p); };
  return submit(stream, std::move(work));
}

MOCK_API long mock_products(int tf32) {
  return computed[tf32 != 0];
}

MOCK_API int64_t mock_multiplications() {
  return multiplications;
}

}  // namespace cuda_mock
