// A vector of the instruction set as the compiler knows it, for arithmetic that needs no intrinsics.
#pragma once

#include <stdint.h>

namespace rdrop::RDROP_ISA {

#if defined(__AVX512F__)
constexpr int64_t vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int64_t vector_bytes = 32;
#else
constexpr int64_t vector_bytes = 16;
#endif

template <typename T>
struct Lanes {
  typedef T type __attribute__((vector_size(vector_bytes)));
  static constexpr int64_t count = vector_bytes / sizeof(T);
};

}  // namespace rdrop::RDROP_ISA
