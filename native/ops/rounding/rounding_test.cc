// The rounding of products, in every instruction set.
#include "ops/rounding/rounding_kernel.h"

#include "core/kernels.h"
#include "test/bfloat16_truth.h"
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

/// By every function that rounds; adam_test.cc has the loop that the compiler makes vectors of.
const Case every_form{
    "bfloat16: every form rounds to nearest, ties to even, and keeps NaN", [] {
      const std::vector<float> all = rounding_inputs();
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
      });
    }};

}  // namespace
}  // namespace rdrop::test
