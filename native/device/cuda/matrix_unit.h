// The tensor cores, and the copies that feed them: instructions of sm_80 and newer. Places in shared memory are offsets
// in bytes, so that addresses have 32 bits. device/emulated/matrix_unit.h does the same without a GPU.
#pragma once

#include <stdint.h>

#include "core/host_device.h"

namespace rdrop {

struct CudaMatrixUnit {
  /// Four matrices of 8 × 8 elements of 16 bits from shared memory. Lane 8·m + r says where row r of matrix m lies (16
  /// bytes on their boundary); lane l receives the elements 2·(l % 4) and the next of row l / 4 of matrix m in to[m].
  /// Every lane of the warp takes part.
  __device__ void load_matrices(uint32_t (&to)[4], int row) const {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(start() + uint32_t(row))
                 : "memory");
  }

  /// The same with each matrix transposed: lane l receives column l / 4 of its rows 2·(l % 4) and the next.
  __device__ void load_matrices_transposed(uint32_t (&to)[4], int row) const {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(start() + uint32_t(row))
                 : "memory");
  }

  /// sums += a·b of 16 × 16 and 16 × 8 elements T, in float32. With g = lane / 4 and t = lane % 4: a[0] holds row g and
  /// columns 2t, 2t+1; a[1] row g + 8; a[2] and a[3] the same, 8 columns on; b0 rows 2t, 2t+1 and column g; b1 8 rows
  /// on; sums[0..1] row g and columns 2t, 2t+1; sums[2..3] row g + 8. Every lane of the warp takes part.
  template <typename T>
  __device__ void multiply_16x8x16(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) const {
    if constexpr (__is_same(T, Bfloat16)) {
      asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
          "{%0, %1, %2, %3};"
          : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    } else {
      static_assert(__is_same(T, Half));
      asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
          "{%0, %1, %2, %3};"
          : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
  }

  /// Starts a copy of 16 bytes into shared memory, or of as many zeros; both sides lie on a boundary of 16 bytes.
  __device__ void copy_16(int to, const void* from, bool zeros) const {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(start() + uint32_t(to)),
                 "l"(__cvta_generic_to_global(from)), "r"(zeros ? 0 : 16)
                 : "memory");
  }

  /// What this thread started since the last call is one group from now on.
  __device__ void group_copies() const { asm volatile("cp.async.commit_group;" ::: "memory"); }

  /// Waits until no more than kLeft groups of this thread are still on their way, the youngest ones.
  template <int kLeft>
  __device__ void wait_for_copies() const {
    asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
  }

 private:
  __device__ static uint32_t start() {
    extern __shared__ __align__(16) char memory[];
    return uint32_t(__cvta_generic_to_shared(memory));
  }
};

}  // namespace rdrop
