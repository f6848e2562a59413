// See libtorch_kernels.h.
#include "test/cuda_mock/libtorch_kernels.h"

#include <cstring>
#include <set>

#include "test/cuda_mock/state.h"

namespace cuda_mock {
namespace {

/// vectorized_elementwise_kernel<w, FillFunctor<T>, std::array<char*, 1>>(int count, FillFunctor<T> fill, array):
/// FillFunctor holds the value.
bool fill(void** arguments, Work& work) {
  if (work.name.find("vectorized_elementwise_kernel<") == std::string::npos) return false;
  const size_t functor = work.name.find("FillFunctor<");
  if (functor == std::string::npos) return false;
  const std::string rest = work.name.substr(functor + std::strlen("FillFunctor<"));
  const auto is = [&](const char* type) { return rest.starts_with(std::string(type) + ">"); };
  const size_t bytes = is("float") || is("int") || is("unsigned int")           ? 4
                       : is("double") || is("long")                             ? 8
                       : is("c10::Half") || is("c10::BFloat16") || is("short")  ? 2
                       : is("unsigned char") || is("signed char") || is("bool") ? 1
                                                                                : 0;
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

}  // namespace

void libtorch_kernel(void** arguments, Work& work) {
  if (fill(arguments, work) || !settings().compute) return;
  static auto& named = *new std::set<std::string>;
  if (named.insert(work.name).second) violation("a kernel of libtorch is not computed: %s", work.name.c_str());
}

}  // namespace cuda_mock
