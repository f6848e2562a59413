// Adam and the sum of squares under the emulated grid against the CPU's bodies.
#include "ops/adam/adam_coefficients.h"
#include "ops/adam/adam_kernel.h"

#include <algorithm>
#include <cmath>

#include "core/kernels.h"
#include "test/bfloat16_truth.h"
#include "test/cpu_layers.h"

namespace rdrop::test {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.98, kEpsilon = 1e-8;
constexpr AdamCoefficients kCoefficients{0.25f, 1e-3f, 2e-2f, 1};

std::vector<double> squares(size_t size, uint64_t seed) {
  std::vector<double> values = normal(size, seed);
  for (double& value : values) value *= value;
  return values;
}

template <typename T>
void compare(size_t size, bool with_copy) {
  const Array<float> parameter(normal(size, 1)), gradient(normal(size, 2)), first(normal(size, 3)),
      second(squares(size, 4));
  Array<double> parameter64(parameter.values()), gradient64(gradient.values()), first64(first.values()),
      second64(second.values());
  scalar::kernels<AdamKernels<double>>().step(
      {parameter64.data(), gradient64.data(), first64.data(), second64.data(), kCoefficients.gradient_scale, kBeta1,
       kBeta2, kEpsilon, kCoefficients.decay, kCoefficients.step_size},
      0, int64_t(size));
  in_every_order([&] {
    Array<float> p(parameter.values()), g(gradient.values()), m(first.values()), v(second.values());
    Array<T> copy(std::vector<double>(size, 7.0));
    adam_launchers<T>().step({p.data(), g.data(), m.data(), v.data(), with_copy ? copy.data() : nullptr, &kCoefficients,
                              int64_t(size), kBeta1, kBeta2, kEpsilon},
                             nullptr);
    expect_close("parameter", p.values(), parameter64.values(), 4e-7, 4e-7);
    expect_close("first moment", m.values(), first64.values(), 4e-7, 4e-7);
    expect_close("second moment", v.values(), second64.values(), 4e-7, 0);
    expect(g.values() == gradient.values(), "the gradient changed");
    const Array<T> rounded(p.values()), untouched(std::vector<double>(size, 7.0));
    expect(copy.values() == (with_copy ? rounded : untouched).values(), "the copy is not the parameters rounded");
  });
}

template <typename T>
void all_sizes() {
  for (const size_t size : {0, 1, 3, 4, 7, 1024, 1027, 2500}) compare<T>(size, true);
  compare<T>(9, false);
}

const Case float32{"adam: float32 without a copy", [] {
                     for (const size_t size : {0, 1, 7, 1030}) compare<float>(size, false);
                   }};
const Case bfloat16{"adam: a copy in bfloat16", all_sizes<Bfloat16>};
const Case float16{"adam: a copy in float16", all_sizes<Half>};

const Case not_applied{
    "adam: apply 0 changes nothing", [] {
      const std::vector<double> values = normal(6, 1), squared = squares(6, 2);
      Array<float> p(values), m(values), v(squared), g(std::vector<double>{1, INFINITY, 2, NAN, 3, 4});
      const Array<float> p_before(p.values()), v_before(v.values());
      Array<Half> copy(std::vector<double>(6, 7.0));
      AdamCoefficients coefficients = kCoefficients;
      coefficients.apply = 0;
      adam_launchers<Half>().step(
          {p.data(), g.data(), m.data(), v.data(), copy.data(), &coefficients, 6, kBeta1, kBeta2, kEpsilon}, nullptr);
      expect(p.values() == p_before.values() && m.values() == p_before.values() && v.values() == v_before.values() &&
                 copy.values() == std::vector<double>(6, 7.0),
             "something changed");
    }};

/// Ranges on and off the boundary of four elements, with parts in between that stay as they are.
const std::vector<AdamRange> kRanges = {
    {0, 3, 1, 1}, {3, 9, 0.5f, 0.5f}, {12, 1500, 2, 0}, {1501, 1502, 1, 1}, {1600, 1603, 0.25f, 0.25f}};

const Case ranges{
    "adam: each range by its own rate and decay, and nothing else", [] {
      const size_t size = 1611;
      const Array<float> parameter(normal(size, 1)), gradient(normal(size, 2)), first(normal(size, 3)),
          second(squares(size, 4));
      Array<double> expected(parameter.values());
      Array<double> gradient64(gradient.values()), first64(first.values()), second64(second.values());
      for (const AdamRange& range : kRanges) {
        scalar::kernels<AdamKernels<double>>().step(
            {expected.data(), gradient64.data(), first64.data(), second64.data(), kCoefficients.gradient_scale, kBeta1,
             kBeta2, kEpsilon, double(kCoefficients.decay) * range.decay, double(kCoefficients.step_size) * range.rate},
            range.begin, range.end);
      }
      in_every_order([&] {
        Array<float> p(parameter.values()), g(gradient.values()), m(first.values()), v(second.values());
        Array<Bfloat16> copy(std::vector<double>(size, 7.0));
        adam_launchers<Bfloat16>().step(
            {p.data(), g.data(), m.data(), v.data(), copy.data(), &kCoefficients, int64_t(size), kBeta1, kBeta2,
             kEpsilon, kRanges.data(), int64_t(kRanges.size())},
            nullptr);
        expect_close("parameter", p.values(), expected.values(), 4e-7, 4e-7);
        expect_close("first moment", m.values(), first64.values(), 4e-7, 4e-7);
        for (const int64_t still : {9, 10, 11, 1500, 1502, 1599, 1603, 1610}) {
          expect(p.values()[size_t(still)] == parameter.values()[size_t(still)] && copy.values()[size_t(still)] == 7,
                 "an element outside the ranges changed");
        }
        double sum = 0, squares = 0;
        std::vector<double> partial(3);
        for (const AdamRange& range : kRanges)
          squares += scalar::kernels<AdamKernels<float>>().sum_of_squares(gradient.data(), range.begin, range.end);
        adam_launchers<float>().sum_of_squares(
            {gradient.data(), int64_t(size), &sum, partial.data(), kRanges.data(), int64_t(kRanges.size())}, 3,
            nullptr);
        expect_close("sum", {sum}, {squares}, 2e-7, 0);
      });
    }};

double device_sum(const Array<float>& gradient, int64_t blocks) {
  double out = std::nan("");
  std::vector<double> partial(size_t(blocks), std::nan(""));
  adam_launchers<float>().sum_of_squares({gradient.data(), int64_t(gradient.size()), &out, partial.data()}, blocks,
                                         nullptr);
  return out;
}

const Case sums{"adam: sum of squares in double", [] {
                  for (const size_t size : {0, 1, 6, 5003}) {
                    const Array<float> gradient(normal(size, 5, 1e-3));
                    const double expected =
                        scalar::kernels<AdamKernels<float>>().sum_of_squares(gradient.data(), 0, int64_t(size));
                    for (const int64_t blocks : {1, 3}) {
                      in_every_order([&] { expect_close("sum", {device_sum(gradient, blocks)}, {expected}, 2e-7, 0); });
                    }
                  }
                }};

const Case long_sum{"adam: a sum of 400,000 equal squares keeps its digits", [] {
                      const Array<float> gradient(std::vector<double>(400000, 1.0 + 0x1p-12));
                      const double square = (1.0 + 0x1p-12) * (1.0 + 0x1p-12);
                      expect_close("sum", {device_sum(gradient, 4)}, {400000 * square}, 2e-7, 0);
                    }};

// On the CPU, in every instruction set.

void compare_adam(size_t size) {
  const Array<float> parameter(normal(size, 1)), gradient(normal(size, 2)), first(normal(size, 3));
  std::vector<double> squares = normal(size, 4);
  for (double& x : squares) x *= x;
  const Array<float> second(squares);
  in_every_set([&](const std::string& set) {
    Array<float> p(parameter.values()), g(gradient.values()), m(first.values()), v(second.values());
    Array<Bfloat16> copy(size);
    const AdamStep<float> step{p.data(), g.data(), m.data(), v.data(), 0.5, 0.9, 0.98, 1e-8, 1e-4, 1e-3, copy.data()};
    kernels<AdamKernels<float>>().step(step, 0, int64_t(size / 2));
    kernels<AdamKernels<float>>().step(step, int64_t(size / 2), int64_t(size));
    std::vector<double> expected = parameter.values();
    for (size_t i = 0; i < size; ++i) {
      const double slope = 0.5 * gradient.values()[i], moment = 0.9 * first.values()[i] + 0.1 * slope;
      const double square = 0.98 * second.values()[i] + 0.02 * slope * slope;
      expected[i] += -1e-4 * expected[i] - 1e-3 * moment / (std::sqrt(square) + 1e-8);
    }
    expect_close(set + ": parameter", p.values(), expected, 1e-6, 1e-6);
    expect(copy.values() == Array<Bfloat16>(p.values()).values(), set + ": the copy is not the parameter, rounded");
    expect(g.values() == std::vector<double>(size, 0.0), set + ": the gradient was not cleared");
  });
}

const Case on_cpu{"the CPU's Adam writes the rounded copy, every instruction set", [] {
                    for (const size_t size : {1, 15, 16, 100, 1000}) compare_adam(size);
                  }};

/// No gradient, so that parameters stay, but for infinite ones.
const Case rounded_copy{
    "Adam's copy in bfloat16 is rounded to nearest, ties to even, and keeps NaN, every instruction set", [] {
      const std::vector<float> all = rounding_inputs();
      const size_t size = all.size();
      std::vector<Bfloat16> to(size);
      in_every_set([&](const std::string& set) {
        std::vector<float> parameter(all), zero(3 * size, 0.f);
        float* zeros = zero.data();
        const AdamStep<float> step{
            parameter.data(), zeros, zeros + size, zeros + 2 * size, 1, kBeta1, kBeta2, kEpsilon, 0, 0, to.data()};
        kernels<AdamKernels<float>>().step(step, 0, int64_t(size));
        expect_rounding(set, parameter.data(), to.data(), size);
      });
    }};

}  // namespace
}  // namespace rdrop::test
