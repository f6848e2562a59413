// See matrix_unit.h.
#include "device/emulated/matrix_unit.h"

#include <cstring>

#include "device/emulated/block.h"
#include "core/errors.h"

namespace rdrop {
namespace {

constexpr int kLanes = 32;

EmulatedBlock& block_of(EmulatedMatrixUnit* unit) {
  return static_cast<EmulatedBlock&>(*unit);
}

/// What a lane brings to the reading of four matrices, and takes away.
struct Reading {
  const char* row;
  uint32_t found[4];
};

struct Product {
  float* sums;
  const uint32_t* a;
  uint32_t b[2];
};

uint16_t element(const char* row, int column) {
  uint16_t bits;
  std::memcpy(&bits, row + 2 * column, 2);
  return bits;
}

template <bool transposed>
void read_matrices(void* const* of_lanes) {
  const auto row = [&](int matrix, int r) { return static_cast<Reading*>(of_lanes[8 * matrix + r])->row; };
  for (int lane = 0; lane < kLanes; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int matrix = 0; matrix < 4; ++matrix) {
      const uint32_t first = transposed ? element(row(matrix, 2 * t), g) : element(row(matrix, g), 2 * t);
      const uint32_t second = transposed ? element(row(matrix, 2 * t + 1), g) : element(row(matrix, g), 2 * t + 1);
      static_cast<Reading*>(of_lanes[lane])->found[matrix] = first | second << 16;
    }
  }
}

template <bool transposed>
void load(EmulatedBlock& block, uint32_t (&to)[4], int row) {
  if (row % 16 != 0) fail(ErrorCode::internal, "emulated grid: a row of a matrix at ", row, ", not a multiple of 16");
  Reading mine{block.shared_at(row, 16), {}};
  block.together(&mine, read_matrices<transposed>);
  std::memcpy(to, mine.found, sizeof(to));
}

template <typename T>
void unpack(uint32_t two, float* first, float* second) {
  *first = portable::to_float(T{uint16_t(two)});
  *second = portable::to_float(T{uint16_t(two >> 16)});
}

template <typename T>
void multiply(void* const* of_lanes) {
  float a[16][16], b[16][8];  // b: [k][n]
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto& mine = *static_cast<Product*>(of_lanes[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      float* place = &a[g + i % 2 * 8][2 * t + i / 2 * 8];
      unpack<T>(mine.a[i], place, place + 1);
    }
    for (int i = 0; i < 2; ++i) unpack<T>(mine.b[i], &b[2 * t + i * 8][g], &b[2 * t + i * 8 + 1][g]);
  }
  for (int g = 0; g < 16; ++g) {
    float sums[8] = {};
    for (int k = 0; k < 16; ++k) {
      for (int n = 0; n < 8; ++n) sums[n] += a[g][k] * b[k][n];
    }
    for (int t = 0; t < 4; ++t) {
      float* to = static_cast<Product*>(of_lanes[g % 8 * 4 + t])->sums + g / 8 * 2;
      to[0] += sums[2 * t];
      to[1] += sums[2 * t + 1];
    }
  }
}

}  // namespace

void EmulatedMatrixUnit::load_matrices(uint32_t (&to)[4], int row) {
  load<false>(block_of(this), to, row);
}

void EmulatedMatrixUnit::load_matrices_transposed(uint32_t (&to)[4], int row) {
  load<true>(block_of(this), to, row);
}

template <typename T>
void EmulatedMatrixUnit::multiply_16x8x16(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  Product mine{sums, a, {b0, b1}};
  block_of(this).together(&mine, multiply<T>);
}
template void EmulatedMatrixUnit::multiply_16x8x16<Bfloat16>(float (&)[4], const uint32_t (&)[4], uint32_t, uint32_t);
template void EmulatedMatrixUnit::multiply_16x8x16<Half>(float (&)[4], const uint32_t (&)[4], uint32_t, uint32_t);

void EmulatedMatrixUnit::copy_16(int to, const void* from, bool zeros) {
  if (to % 16 != 0 || reinterpret_cast<uintptr_t>(from) % 16 != 0)
    fail(ErrorCode::internal, "emulated grid: a copy of 16 bytes off their boundary");
  block_of(this).copies().started.push_back({block_of(this).shared_at(to, 16), zeros ? nullptr : from});
}

void EmulatedMatrixUnit::group_copies() {
  EmulatedCopies& copies = block_of(this).copies();
  copies.groups.push_back(std::move(copies.started));
  copies.started.clear();
}

void EmulatedMatrixUnit::wait_for_copies(int left) {
  auto& groups = block_of(this).copies().groups;
  for (; int(groups.size()) > left; groups.pop_front()) {
    for (const auto& [to, from] : groups.front()) {
      if (from) {
        std::memcpy(to, from, 16);
      } else {
        std::memset(to, 0, 16);
      }
    }
  }
}

}  // namespace rdrop
