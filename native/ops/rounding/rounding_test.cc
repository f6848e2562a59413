// The rounding of products, in every instruction set.
#include "ops/rounding/rounding_kernel.h"

#include "core/kernels.h"
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

}  // namespace
}  // namespace rdrop::test
