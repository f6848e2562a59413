// The tensor cores of the emulated grid, and the copies that feed them: see device/cuda/matrix_unit.h for what each of
// them does. The last lane of a warp to arrive works for all. Copies happen when they are waited for, so that who
// forgets to finds NaN.
#pragma once

#include <deque>
#include <vector>

#include "core/host_device.h"

namespace rdrop {

/// What a thread has started to copy.
struct EmulatedCopies {
  struct Copy {
    char* to;
    const void* from;  // null: zeros
  };
  std::vector<Copy> started;
  std::deque<std::vector<Copy>> groups;
};

class EmulatedMatrixUnit {
 public:
  void load_matrices(uint32_t (&to)[4], int row);
  void load_matrices_transposed(uint32_t (&to)[4], int row);
  template <typename T>
  void multiply_16x8x16(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
  void copy_16(int to, const void* from, bool zeros);
  void group_copies();
  template <int kLeft>
  void wait_for_copies() {
    wait_for_copies(kLeft);
  }

 private:
  void wait_for_copies(int left);
};

}  // namespace rdrop
