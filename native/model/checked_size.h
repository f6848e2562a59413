// Sizes that come from outside are multiplied and added here: a product that does not fit 64 bits must not be formed.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "core/errors.h"

namespace rdrop {

/// The most elements of a buffer: its bytes, at eight an element and with what aligns it, fit in 63 bits.
constexpr int64_t kMostElements = int64_t(1) << 59;

/// a + b of counts of elements. Throws INVALID_ARGUMENT when it exceeds kMostElements; `what` is what it is the size
/// of.
inline int64_t checked_sum(int64_t a, int64_t b, const char* what) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum) || sum < 0 || sum > kMostElements) {
    fail(ErrorCode::invalid_argument, what, ": expected at most ", kMostElements, " elements, got more");
  }
  return sum;
}

/// The product of the factors, likewise.
inline int64_t checked_product(std::initializer_list<int64_t> factors, const char* what) {
  int64_t product = 1;
  for (const int64_t factor : factors) {
    if (factor < 0 || __builtin_mul_overflow(product, factor, &product) || product > kMostElements) {
      fail(ErrorCode::invalid_argument, what, ": expected at most ", kMostElements, " elements, got more");
    }
  }
  return product;
}

}  // namespace rdrop
