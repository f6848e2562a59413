// The elements of the CPU's layers: T is what memory holds, Wide<T> what is computed with. Parameters of norms, their
// statistics and every gradient of a parameter are Wide<T> too.
#pragma once

#include "core/host_device.h"

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

#ifndef __CUDACC__  // for the CPU's bodies alone; nvcc 13.0 breaks down over the bits of a template's argument

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

/// x as T holds it.
template <typename T>
inline T rounded(Wide<T> x) {
  if constexpr (sizeof(T) == sizeof(Bfloat16)) {
    return to_bfloat16(x);
  } else {
    return x;
  }
}

/// x where `sign` is positive, else 0. `sign` is not NaN.
inline float where_positive(float sign, float x) {
  return sign > 0 ? x : 0;
}
inline double where_positive(double sign, double x) {
  return sign > 0 ? x : 0;
}
inline Bfloat16 where_positive(Bfloat16 sign, Bfloat16 x) {
  const uint16_t positive = int16_t(sign.bits) > 0 ? 0xffff : 0;
  return {uint16_t(x.bits & positive)};
}

}  // namespace RDROP_ISA

#endif

}  // namespace rdrop
