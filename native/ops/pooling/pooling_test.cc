// Pooling against its formula: the CPU's bodies in every instruction set, the device's under the emulated grid.
#include "ops/pooling/pooling_kernel.h"

#include <cmath>

#include "core/kernels.h"
#include "test/cpu_layers.h"

namespace rdrop::test {
namespace {

struct Batch {
  std::vector<int32_t> starts;
  int64_t columns;
};

const std::vector<Batch> kBatches{{{0, 1}, 1},           {{0, 3, 3, 4, 11}, 7},  {{0, 0}, 5},
                                  {{0, 2, 9, 41}, 64},   {{0, 0, 5, 6, 6}, 130}, {{0, 70, 71}, 300},
                                  {{0, 1, 2, 3, 9}, 513}};

struct Truth {
  std::vector<double> out, gradient;
};

/// In double, as pooling.h says it.
Truth truth_of(const std::vector<double>& states, const std::vector<double>& upstream, const Batch& shape,
               Pooling kind) {
  const size_t sequences = shape.starts.size() - 1, d = size_t(shape.columns);
  Truth truth{std::vector<double>(sequences * d), std::vector<double>(states.size(), std::nan(""))};
  for (size_t i = 0; i < sequences; ++i) {
    const size_t first = size_t(shape.starts[i]), end = size_t(shape.starts[i + 1]);
    for (size_t row = first; row < end; ++row) {
      const double share = kind == Pooling::mean ? 1 / double(end - first) : double(row == first);
      for (size_t c = 0; c < d; ++c) {
        truth.out[i * d + c] += share * states[row * d + c];
        truth.gradient[row * d + c] = share * upstream[i * d + c];
      }
    }
  }
  return truth;
}

/// Calls body(shape, kind, states, upstream gradient, truth) for every case.
template <typename T, typename Body>
void for_each_case(const Body& body) {
  for (const Batch& shape : kBatches) {
    for (const Pooling kind : {Pooling::first, Pooling::mean}) {
      const size_t d = size_t(shape.columns), sequences = shape.starts.size() - 1;
      const Array<T> states(normal(size_t(shape.starts.back()) * d, 1)), upstream(normal(sequences * d, 2));
      body(shape, kind, states, upstream, truth_of(states.values(), upstream.values(), shape, kind));
    }
  }
}

template <typename T>
void on_cpu() {
  for_each_case<T>(
      [](const Batch& shape, Pooling kind, const Array<T>& states, const Array<T>& upstream, const Truth& truth) {
        const int64_t sequences = int64_t(shape.starts.size()) - 1;
        in_every_set([&](const std::string& set) {
          const auto& kernel = kernels<PoolingKernels<T>>();
          Array<T> out(std::vector<double>(truth.out.size(), std::nan("")));
          Array<T> gradient(std::vector<double>(truth.gradient.size(), std::nan("")));
          kernel.forward({states.data(), shape.starts.data(), out.data(), shape.columns, kind}, 0, sequences);
          kernel.backward({upstream.data(), shape.starts.data(), gradient.data(), shape.columns, kind}, 0, sequences);
          expect_close(set + ": out", out.values(), truth.out, allowance<T>(), allowance<T>());
          expect_close(set + ": gradient", gradient.values(), truth.gradient, allowance<T>(), 0);
        });
      });
}

const Case cpu_float32{"the CPU's pooling in float32, every instruction set", on_cpu<float>};
const Case cpu_float64{"the CPU's pooling in float64, every instruction set", on_cpu<double>};
const Case cpu_bfloat16{"the CPU's pooling in bfloat16, every instruction set", on_cpu<Bfloat16>};

template <typename T>
void on_device() {
  for_each_case<T>(
      [](const Batch& shape, Pooling kind, const Array<T>& states, const Array<T>& upstream, const Truth& truth) {
        const int64_t sequences = int64_t(shape.starts.size()) - 1;
        in_every_order([&] {
          Array<T> out(std::vector<double>(truth.out.size(), std::nan("")));
          Array<T> gradient(std::vector<double>(truth.gradient.size(), std::nan("")));
          pooling_launchers<T>().forward({states.data(), shape.starts.data(), out.data(), shape.columns, kind},
                                         sequences, nullptr);
          pooling_launchers<T>().backward({upstream.data(), shape.starts.data(), gradient.data(), shape.columns, kind},
                                          sequences, nullptr);
          expect_close("out", out.values(), truth.out, 2 * roundoff<T>(), 1e-6);
          expect_close("gradient", gradient.values(), truth.gradient, 2 * roundoff<T>(), 1e-7);
        });
      });
}

const Case float32{"pooling: float32", on_device<float>};
const Case bfloat16{"pooling: bfloat16", on_device<Bfloat16>};
const Case float16{"pooling: float16", on_device<Half>};

}  // namespace
}  // namespace rdrop::test
