// See libtorch_kernels.h.
#include "test/cuda_mock/libtorch_kernels.h"

#include <cstring>
#include <set>

#include "core/host_device.h"
#include "test/cuda_mock/state.h"

namespace cuda_mock {
namespace {

/// Bytes of the type that starts a text; 0: unknown.
size_t bytes_of_type(const std::string& text) {
  struct Type {
    const char* name;
    size_t bytes;
  };
  constexpr Type kTypes[] = {{"float", 4}, {"double", 8},        {"int", 4},         {"unsigned int", 4},
                             {"long", 8},  {"unsigned long", 8}, {"c10::Half", 2},   {"c10::BFloat16", 2},
                             {"short", 2}, {"bool", 1},          {"signed char", 1}, {"unsigned char", 1}};
  for (const Type& type : kTypes) {
    const size_t length = std::strlen(type.name);
    if (text.starts_with(type.name) && (text[length] == '>' || text[length] == ')')) return type.bytes;
  }
  return 0;
}

/// What follows a text in a name; empty where it is not there.
std::string after(const std::string& name, const char* text) {
  const size_t found = name.find(text);
  return found == std::string::npos ? "" : name.substr(found + std::strlen(text));
}

/// vectorized_elementwise_kernel<w, FillFunctor<T>, std::array<char*, 1>>(int count, FillFunctor<T> fill, array):
/// FillFunctor holds the value.
bool fill(void** arguments, Work& work) {
  if (work.name.find("vectorized_elementwise_kernel<") == std::string::npos) return false;
  const size_t bytes = bytes_of_type(after(work.name, "FillFunctor<"));
  if (bytes == 0) return false;
  int count;
  uint64_t value = 0;
  char* to;
  std::memcpy(&count, arguments[0], sizeof(count));
  std::memcpy(&value, arguments[1], bytes);
  std::memcpy(&to, arguments[2], sizeof(to));
  work.memory.push_back({to, size_t(count) * bytes});
  if (settings().compute) {
    work.run = [=] {
      for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * int64_t(bytes), &value, bytes);
    };
  }
  return true;
}

/// vectorized_elementwise_kernel<w, bfloat16_copy_kernel_cuda…{lambda(float)#1}, …>(int count, lambda,
/// std::array<char*, 2>), and the same of float16: float32 to 16 bits.
bool narrowing_copy(void** arguments, Work& work) {
  if (work.name.find("vectorized_elementwise_kernel<") == std::string::npos) return false;
  const bool bfloat =
      work.name.find("bfloat16_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda(float)#1}") < work.name.size();
  const bool half = !bfloat && work.name.find("float16_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda(float)#1}") <
                                   work.name.size();
  if (!bfloat && !half) return false;
  int count;
  char* data[2];
  std::memcpy(&count, arguments[0], sizeof(count));
  std::memcpy(data, arguments[2], sizeof(data));
  work.memory.push_back({data[0], size_t(count) * 2});
  work.memory.push_back({data[1], size_t(count) * 4});
  if (settings().compute) {
    work.run = [count, bfloat, to = data[0], from = reinterpret_cast<const float*>(data[1])] {
      for (int i = 0; i < count; ++i) {
        if (bfloat) {
          rdrop::portable::assign(reinterpret_cast<rdrop::Bfloat16*>(to)[i], from[i]);
        } else {
          rdrop::portable::assign(reinterpret_cast<rdrop::Half*>(to)[i], from[i]);
        }
      }
    };
  }
  return true;
}

/// unrolled_elementwise_kernel<direct_copy_kernel_cuda…, LoadWithCast<1>, StoreWithCast<1>>(int count, lambda,
/// std::array<char*, 2>, calculator, calculator, load, store), where both of the last begin with their types: bfloat16
/// to float32.
bool widening_copy(void** arguments, Work& work) {
  for (const char* part : {"unrolled_elementwise_kernel<", "direct_copy_kernel_cuda", "LoadWithCast<1>"}) {
    if (work.name.find(part) == std::string::npos) return false;
  }
  constexpr int8_t kFloat = 6, kBfloat16 = 15;  // c10::ScalarType
  int count;
  char* data[2];
  int8_t from, to;
  std::memcpy(&from, arguments[5], sizeof(from));
  std::memcpy(&to, arguments[6], sizeof(to));
  if (from != kBfloat16 || to != kFloat) return false;
  std::memcpy(&count, arguments[0], sizeof(count));
  std::memcpy(data, arguments[2], sizeof(data));
  work.memory.push_back({data[0], size_t(count) * 4});
  work.memory.push_back({data[1], size_t(count) * 2});
  if (settings().compute) {
    work.run = [count, out = reinterpret_cast<float*>(data[0]),
                in = reinterpret_cast<const rdrop::Bfloat16*>(data[1])] {
      for (int i = 0; i < count; ++i) out[i] = rdrop::portable::to_float(in[i]);
    };
  }
  return true;
}

/// OffsetCalculator<2, uint32_t, false> (ATen/cuda/detail/OffsetCalculator.cuh): where element i of two tensors lies.
struct Offsets {
  struct Divider {
    uint32_t divisor, multiplier, shift;
  };
  static constexpr int kMostDimensions = 25;
  int dimensions;
  Divider sizes[kMostDimensions];
  uint32_t strides[kMostDimensions][2];

  void get(uint32_t index, uint32_t offsets[2]) const {
    offsets[0] = offsets[1] = 0;
    for (int d = 0; d < dimensions; ++d) {
      const uint32_t at = index % sizes[d].divisor;
      index /= sizes[d].divisor;
      for (int k = 0; k < 2; ++k) offsets[k] += at * strides[d][k];
    }
  }
};

/// elementwise_kernel<…direct_copy_kernel_cuda…{lambda(T)#1}…>(int count, lambda): a copy of elements between tensors
/// of any strides. The lambda of gpu_kernel_impl_nocast holds the offsets and the addresses of both, in the order of
/// their use.
bool strided_copy(void** arguments, Work& work) {
  if (work.name.find("direct_copy_kernel_cuda") == std::string::npos ||
      work.name.find("elementwise_kernel<") == std::string::npos ||
      work.name.find("gpu_kernel_impl_nocast") == std::string::npos) {
    return false;
  }
  size_t bytes = 0;
  for (std::string rest = work.name; bytes == 0;) {
    rest = after(rest, "{lambda(");
    if (rest.empty()) return false;
    bytes = bytes_of_type(rest);
  }
  int count;
  std::memcpy(&count, arguments[0], sizeof(count));
  struct Lambda {
    Offsets offsets;
    char* data[2];
  } lambda;
  std::memcpy(&lambda, arguments[1], sizeof(lambda));
  work.memory.push_back({lambda.data[0], 1});
  work.memory.push_back({lambda.data[1], 1});
  if (settings().compute) {
    work.run = [=] {
      for (int i = 0; i < count; ++i) {
        uint32_t at[2];
        lambda.offsets.get(uint32_t(i), at);
        std::memcpy(lambda.data[0] + at[0], lambda.data[1] + at[1], bytes);
      }
    };
  }
  return true;
}

}  // namespace

void libtorch_kernel(void** arguments, Work& work) {
  if (fill(arguments, work) || narrowing_copy(arguments, work) || widening_copy(arguments, work) ||
      strided_copy(arguments, work)) {
    return;
  }
  if (!settings().compute) return;
  static auto& named = *new std::set<std::string>;
  if (named.insert(work.name).second) violation("a kernel of libtorch is not computed: %s", work.name.c_str());
}

}  // namespace cuda_mock
