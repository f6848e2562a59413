// The instructions of tensor cores under the emulated grid: products of pieces read from shared memory in every
// direction, against plain sums, and what a chip would not forgive.
#include "core/errors.h"
#include "device/launch.h"
#include "test/check.h"

namespace rdrop::test {
namespace {

constexpr int kPitch = 48;  // bytes from row to row of a piece: 16 columns and 16 bytes

/// out [16, 8] = a·b, with a [16, 16] and b [16, 8] as they lie in memory, or transposed there.
template <typename T>
struct ProductKernel {
  static constexpr int max_threads = 32;
  const T *a, *b;
  bool a_transposed, b_transposed;
  float* out;

  template <class Block>
  void operator()(Block& block) const {
    const int lane = block.thread();
    for (int i = lane; i < 64; i += 32) {
      const int row = i % 32 / 2, half = i % 2;
      block.copy_16(i / 32 * 16 * kPitch + row * kPitch + half * 16, (i < 32 ? a : b) + row * 16 + half * 8, false);
    }
    block.group_copies();
    block.template wait_for_copies<0>();
    block.barrier();
    const int down = lane % 16 * kPitch + lane / 16 * 16,
              across = (lane / 16 * 8 + lane % 8) * kPitch + lane / 8 % 2 * 16;
    uint32_t of_a[4], of_b[4];
    if (a_transposed) {
      block.load_matrices_transposed(of_a, across);
    } else {
      block.load_matrices(of_a, down);
    }
    if (b_transposed) {
      block.load_matrices(of_b, 16 * kPitch + across);
    } else {
      block.load_matrices_transposed(of_b, 16 * kPitch + down);
    }
    float sums[4] = {1, 1, 1, 1};
    block.template multiply_16x8x16<T>(sums, of_a, of_b[0], of_b[1]);
    for (int i = 0; i < 4; ++i) out[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
  }
};

template <typename T>
void products() {
  const Array<T> a(normal(256, 1)), b(normal(256, 2));
  const std::vector<double> x = a.values(), y = b.values();
  for (int way = 0; way < 4; ++way) {
    const bool a_transposed = way % 2 != 0, b_transposed = way / 2 != 0;
    std::vector<double> expected(128, 1.0);
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 8; ++n) {
        for (int k = 0; k < 16; ++k) {
          expected[size_t(m * 8 + n)] +=
              x[size_t(a_transposed ? k * 16 + m : m * 16 + k)] * y[size_t(b_transposed ? n * 16 + k : k * 16 + n)];
        }
      }
    }
    in_every_order([&] {
      Array<float> out(128);
      launch(ProductKernel<T>{a.data(), b.data(), a_transposed, b_transposed, out.data()}, {1, 32, 32 * kPitch},
             nullptr);
      expect_close("product " + std::to_string(way), out.values(), expected, 1e-6, 1e-5);
    });
  }
}

/// Runs a body on one warp with 64 bytes of shared memory.
template <typename Body>
struct OneWarp {
  static constexpr int max_threads = 32;
  Body body;
  template <class Block>
  void operator()(Block& block) const {
    body(block);
  }
};
template <typename Body>
void on_one_warp(Body body) {
  launch(OneWarp<Body>{body}, {1, 32, 64}, nullptr);
}

template <typename Body>
void expect_refusal(const std::string& reason, Body body) {
  try {
    on_one_warp(body);
  } catch (const Error& error) {
    expect(std::string(error.what()).find(reason) != std::string::npos, error.what());
    return;
  }
  expect(false, "not refused: " + reason);
}

const Case bfloat16{"matrix unit: products, bfloat16", products<Bfloat16>};
const Case float16{"matrix unit: products, float16", products<Half>};

const Case copies{"matrix unit: a copy is there once it was waited for, older groups first", [] {
                    alignas(16) static const uint32_t ones[4] = {1, 1, 1, 1};
                    static uint32_t seen[4];
                    on_one_warp([](EmulatedBlock& block) {
                      if (block.thread() != 0) return;
                      const auto first = [&](int at) { return *reinterpret_cast<uint32_t*>(block.shared() + at); };
                      block.copy_16(0, ones, false);
                      block.group_copies();
                      block.copy_16(16, ones, true);
                      block.group_copies();
                      seen[0] = first(0);
                      block.wait_for_copies<1>();
                      seen[1] = first(0);
                      seen[2] = first(16);
                      block.wait_for_copies<0>();
                      seen[3] = first(16);
                    });
                    expect(seen[0] != 1 && seen[1] == 1 && seen[2] != 0 && seen[3] == 0,
                           "copies are there too early or late");
                  }};

const Case refusals{"matrix unit: what a chip would not forgive is refused", [] {
                      expect_refusal("lanes of a warp are at different instructions", [](EmulatedBlock& block) {
                        uint32_t to[4];
                        if (block.thread() == 5) return block.load_matrices_transposed(to, 0);
                        block.load_matrices(to, 0);
                      });
                      expect_refusal("not a multiple of 16", [](EmulatedBlock& block) {
                        uint32_t to[4];
                        block.load_matrices(to, 8);
                      });
                      expect_refusal("of 64 bytes of shared memory", [](EmulatedBlock& block) {
                        uint32_t to[4];
                        block.load_matrices(to, 64);
                      });
                      expect_refusal("off their boundary", [](EmulatedBlock& block) {
                        alignas(16) static const char bytes[32] = {};
                        block.copy_16(0, bytes + 4, false);
                      });
                    }};

}  // namespace
}  // namespace rdrop::test
