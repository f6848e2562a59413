// The activation under the emulated grid against the CPU's body in double.
#include "ops/activation/activation_kernel.h"

#include "test/check.h"

namespace rdrop::test {
namespace {

struct Shape {
  int64_t rows, columns;
};

template <typename T>
void compare(Shape shape, Activation kind, double p) {
  const size_t size = size_t(shape.rows * shape.columns);
  const Dropout dropout{p, (shape.rows + 1) / 2, {portable::stream_key(3, StreamRole::dropout), 70000, 5}};
  const auto& cpu = scalar_kernels().layers<double>().activation;
  const Array<T> input(normal(size, 1)), upstream(normal(size, 2));
  const Array<double> reference_input(input.values());
  Array<double> reference(size);
  cpu.forward({reference_input.data(), reference.data(), shape.columns, kind, dropout}, 0, shape.rows);
  in_every_order([&] {
    Array<T> out(size);
    activation_launchers<T>().forward({input.data(), out.data(), shape.columns, kind, dropout}, shape.rows, nullptr);
    expect_close("out", out.values(), reference.values(), 4 * roundoff<T>(), 1e-6);

    const Array<T>& saved = kind == Activation::relu ? out : input;
    const Array<double> reference_saved(saved.values());
    Array<double> expected(upstream.values());
    Array<T> gradient(upstream.values());
    cpu.backward({reference_saved.data(), expected.data(), shape.columns, kind, dropout}, 0, shape.rows);
    activation_launchers<T>().backward({saved.data(), gradient.data(), shape.columns, kind, dropout}, shape.rows,
                                       nullptr);
    expect_close("gradient", gradient.values(), expected.values(), 4 * roundoff<T>(), 1e-6);
  });
}

template <typename T>
void all_shapes() {
  for (const Shape shape : {Shape{1, 1}, {3, 7}, {5, 16}, {2, 63}, {4, 64}, {3, 130}, {2, 1024}}) {
    for (const Activation kind : {Activation::relu, Activation::gelu}) {
      for (const double p : {0.0, 0.3}) compare<T>(shape, kind, p);
    }
  }
}

const Case float32{"activation: float32", all_shapes<float>};
const Case bfloat16{"activation: bfloat16", all_shapes<Bfloat16>};
const Case float16{"activation: float16", all_shapes<Half>};

const Case update_at{"activation: the update is read when the kernel runs", [] {
                       const size_t size = 2 * 40;
                       uint64_t counter = 9;
                       const Array<float> input(std::vector<double>(size, 1.0));
                       const auto run = [&](DropoutStream stream) {
                         Array<float> out(size);
                         activation_launchers<float>().forward(
                             {input.data(), out.data(), 40, Activation::relu, {0.5, 1, stream}}, 2, nullptr);
                         return out.values();
                       };
                       const auto by_value = run({11, 9, 2}), by_place = run({11, 0, 2, &counter});
                       expect(by_value == by_place, "another mask than that of the same update given by value");
                       counter = 10;
                       expect(by_value != run({11, 0, 2, &counter}), "the mask did not change with the update");
                     }};

}  // namespace
}  // namespace rdrop::test
