// The counter-based generator behind dropout and initialization: Philox4x32-10 (Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011). The same arithmetic runs on CPU and CUDA; a mask is recomputed, never stored.
//
// Plain inline code without libtorch or the C++ library: kernels.cc compiles it once per instruction set, hence the
// namespace of its own there.
#pragma once

#include "core/host_device.h"

namespace rdrop {

/// What a dropout mask depends on, besides pass and element: see design, "Randomness".
struct DropoutStream {
  uint64_t key;     ///< of (seed, role), from stream_key
  uint64_t update;  ///< update × micro-batch, so that no two forward passes share a mask
  uint32_t site;    ///< which dropout of the network
  // A device reads the one, the CPU the other.
  union {
    /// On a device, where `update` lies when the kernel runs: a captured graph is replayed for update after update.
    const uint64_t* update_at = nullptr;
    /// On the CPU, of a tensor that has a few of the rows, which of the mask's each is; null: it has them all.
    const int32_t* rows;
  };
};

/// Roles never share a stream.
enum class StreamRole : uint64_t { initialization = 1, dropout = 2, generation = 3 };

namespace RDROP_ISA {

/// One application: counter c[4] and key k[2] become four uniform 32-bit words.
RDROP_INLINE void philox4x32(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1, uint32_t* w0,
                             uint32_t* w1, uint32_t* w2, uint32_t* w3) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0;
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c2;
    c0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
    c1 = uint32_t(p1);
    c2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c3 = uint32_t(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  *w0 = c0;
  *w1 = c1;
  *w2 = c2;
  *w3 = c3;
}

/// Key of the stream of one role: SplitMix64's finalizer, so that neighboring seeds have unrelated keys.
RDROP_INLINE uint64_t stream_key(uint64_t seed, StreamRole role) {
  uint64_t z = seed + uint64_t(role) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/// An element is dropped when its 32-bit word is below this.
RDROP_INLINE uint32_t dropout_threshold(double p) {
  return uint32_t(p * 4294967296.0);
}

}  // namespace RDROP_ISA
}  // namespace rdrop
