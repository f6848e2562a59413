// What the tests of the CPU's layers share: every instruction set and type of activations, and dropout masks by the
// plain generator.
#pragma once

#include <string>
#include <vector>

#include "core/dropout.h"
#include "core/element.h"
#include "test/check.h"

namespace rdrop::test {

/// Calls body(name of the set) for every instruction set that this machine runs, then goes back to the widest.
template <typename Body>
void in_every_set(const Body& body) {
  std::string widest = "scalar";
  for (const char* set : {"scalar", "avx2", "avx512"}) {
    if (!select_kernels(set)) continue;
    widest = set;
    body(std::string(set));
  }
  select_kernels(widest.c_str());
}

/// What a result of type T may be off by, beside the rounding of what it was computed from: `sums` additions of numbers
/// about 1.
template <typename T>
double allowance(double sums = 1) {
  return (sizeof(T) == sizeof(Bfloat16) ? 3 : 16 * sums) * roundoff<T>();
}

inline Dropout some_dropout(double p, int64_t rows) {
  return {p, (rows + 1) / 2, {portable::stream_key(11, StreamRole::dropout), 70001, 6}};
}

/// keep[r·columns + c]: 0 or 1/(1-p), by one application of Philox after the other as dropout_kernel.h defines it.
inline std::vector<double> keep_factors(const Dropout& dropout, int64_t rows, int64_t columns) {
  std::vector<double> keep(size_t(rows * columns), 1.0);
  if (dropout.p <= 0) return keep;
  const int64_t quarter = (columns + 3) / 4;
  for (int64_t row = 0; row < rows; ++row) {
    const auto counter = portable::dropout_counter(dropout, dropout.stream.update, row, quarter);
    for (int64_t l = 0; l < quarter; ++l) {
      const uint64_t first = counter.first + uint64_t(l);
      uint32_t words[4];
      portable::philox4x32(uint32_t(first), uint32_t(first >> 32), counter.c2, counter.c3, counter.k0, counter.k1,
                           words, words + 1, words + 2, words + 3);
      for (int64_t w = 0; w < 4; ++w) {
        const int64_t c = w * quarter + l;
        if (c >= columns) continue;
        const bool stays = words[w] >= portable::dropout_threshold(dropout.p);
        keep[size_t(row * columns + c)] = stays ? 1.0 / (1.0 - dropout.p) : 0.0;
      }
    }
  }
  return keep;
}

}  // namespace rdrop::test
