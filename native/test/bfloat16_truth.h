// What rounding to bfloat16 must give, by distances in double, and the numbers that show it.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "core/element.h"
#include "test/check.h"

namespace rdrop::test {

/// Whether `to` is x to nearest, ties to even, by the distances in double; a NaN stays one.
inline bool is_rounding(float x, Bfloat16 to) {
  if (std::isnan(x)) return std::isnan(portable::to_float(to));
  if (std::isinf(x)) return portable::to_float(to) == x;
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  // The bfloat16 at or below |x| and the next; beyond the largest stands what would follow it without a bound.
  const auto magnitude = [](uint32_t upper) {
    return upper == 0x7f80 ? 0x1p128 : double(__builtin_bit_cast(float, upper << 16));
  };
  const uint32_t below = bits >> 16 & 0x7fffu, above = below + 1;
  const double down = std::fabs(double(x)) - magnitude(below), up = magnitude(above) - std::fabs(double(x));
  const uint32_t nearest = down < up || (down == up && below % 2 == 0) ? below : above;
  return to.bits == (nearest | (bits >> 16 & 0x8000u));
}

inline void expect_rounding(const std::string& what, const float* from, const Bfloat16* to, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (is_rounding(from[i], to[i])) continue;
    expect(false, what + ": bits " + std::to_string(__builtin_bit_cast(uint32_t, from[i])) + " became " +
                      std::to_string(to[i].bits));
  }
}

/// Every upper half with the lower halves about its ends and its middle.
inline std::vector<float> rounding_inputs() {
  std::vector<float> all;
  for (uint32_t upper = 0; upper < 0x10000; ++upper) {
    for (const uint32_t lower : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      all.push_back(__builtin_bit_cast(float, upper << 16 | lower));
    }
  }
  all.resize(all.size() - 3);  // the last vector is not whole
  return all;
}

}  // namespace rdrop::test
