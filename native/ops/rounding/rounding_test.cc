// The rounding of products, in every instruction set.
#include "ops/rounding/rounding_kernel.h"

#include <cmath>

#include "core/kernels.h"
#include "ops/adam/adam_kernel.h"
#include "test/cpu_layers.h"

namespace rdrop::test {
namespace {

void compare_rounding(int64_t columns, bool bias, bool add) {
  constexpr int64_t rows = 3;
  const int64_t from_stride = columns + 1, to_stride = columns + 5;
  const size_t size = size_t(rows * to_stride);
  const Array<float> from(normal(size_t(rows * from_stride), 1));
  const Array<Bfloat16> addend(normal(size_t(columns), 2)), before(normal(size, 3));
  in_every_set([&](const std::string& set) {
    Array<Bfloat16> to(before.values()), expected(before.values());  // what lies between the rows stays
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t c = 0; c < columns; ++c) {
        const int64_t at = row * to_stride + c;
        float x = from.data()[row * from_stride + c];
        if (bias) x += portable::wide(addend.data()[c]);
        if (add) x += portable::wide(before.data()[at]);
        expected.data()[at] = portable::rounded<Bfloat16>(x);
      }
    }
    const Rounding rounding{from.data(), from_stride, bias ? addend.data() : nullptr, to.data(), to_stride,
                            columns,     add};
    kernels<RoundingKernels>().round(rounding, 0, 1);
    kernels<RoundingKernels>().round(rounding, 1, rows);
    expect(to.values() == expected.values(), set + ": a product is not rounded once");
    const Array<float> start(normal(size, 4));
    Array<float> sum(start.values());
    kernels<RoundingKernels>().add_widened(before.data(), sum.data(), 1, int64_t(size));
    std::vector<double> sums = start.values();
    for (size_t i = 1; i < size; ++i) sums[i] = double(start.data()[i] + portable::wide(before.data()[i]));
    expect(sum.values() == sums, set + ": a bfloat16 product is not added");
  });
}

const Case rounding{"the CPU's rounding of products, every instruction set", [] {
                      for (const int64_t columns : {1, 15, 32, 67}) {
                        for (const bool bias : {false, true}) {
                          for (const bool add : {false, true}) compare_rounding(columns, bias, add);
                        }
                      }
                    }};

/// Whether `to` is x to nearest, ties to even, by the distances in double; a NaN stays one.
bool is_rounding(float x, Bfloat16 to) {
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

void expect_rounding(const std::string& what, const float* from, const Bfloat16* to, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (is_rounding(from[i], to[i])) continue;
    expect(false, what + ": bits " + std::to_string(__builtin_bit_cast(uint32_t, from[i])) + " became " +
                      std::to_string(to[i].bits));
  }
}

/// Every upper half with the lower halves about its ends and its middle, by every function that rounds.
const Case every_form{
    "bfloat16: every form rounds to nearest, ties to even, and keeps NaN", [] {
      std::vector<float> all;
      for (uint32_t upper = 0; upper < 0x10000; ++upper) {
        for (const uint32_t lower : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
          all.push_back(__builtin_bit_cast(float, upper << 16 | lower));
        }
      }
      all.resize(all.size() - 3);  // the last vector is not whole
      const size_t size = all.size();
      std::vector<Bfloat16> to(size);
      for (size_t i = 0; i < size; ++i) to[i] = portable::to_bfloat16(all[i]);
      expect_rounding("to_bfloat16", all.data(), to.data(), size);
      for (size_t i = 0; i + 1 < size; i += 2) {
        const uint32_t two = portable::pack_two<Bfloat16>(all[i], all[i + 1]);
        to[i].bits = uint16_t(two), to[i + 1].bits = uint16_t(two >> 16);
      }
      expect_rounding("pack_two", all.data(), to.data(), size);
      in_every_set([&](const std::string& set) {
        const auto columns = int64_t(size);
        kernels<RoundingKernels>().round({all.data(), columns, nullptr, to.data(), columns, columns, false}, 0, 1);
        expect_rounding(set + ": vectors", all.data(), to.data(), size);
        // A loop that the compiler makes vectors of. No gradient, so that parameters stay, but for infinite ones.
        std::vector<float> parameter(all), zero(3 * size, 0.f);
        float* zeros = zero.data();
        const AdamStep<float> step{parameter.data(), zeros, zeros + size, zeros + 2 * size, 1, 0.9, 0.98, 1e-8, 0, 0,
                                   to.data()};
        kernels<AdamKernels<float>>().step(step, 0, columns);
        expect_rounding(set + ": a loop", parameter.data(), to.data(), size);
      });
    }};

}  // namespace
}  // namespace rdrop::test
