// The elements of the CPU's layers: T is what memory holds, Wide<T> what is computed with. Parameters of norms, their
// statistics and every gradient of a parameter are Wide<T> too.
#pragma once

#include "ops/host_device.h"

namespace rdrop {

template <typename T>
struct WideType {
  using type = T;
};
template <>
struct WideType<Bfloat16> {
  using type = float;
};
template <typename T>
using Wide = typename WideType<T>::type;

namespace RDROP_ISA {

inline float wide(float x) {
  return x;
}
inline double wide(double x) {
  return x;
}
inline float wide(Bfloat16 x) {
  return to_float(x);
}

/// x as T holds it: to nearest, ties to even.
template <typename T>
inline T rounded(Wide<T> x) {
  if constexpr (sizeof(T) == sizeof(Bfloat16)) {
    T to;
    assign(to, x);
    return to;
  } else {
    return x;
  }
}

}  // namespace RDROP_ISA
}  // namespace rdrop
