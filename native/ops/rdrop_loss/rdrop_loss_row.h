// One thread's share of a row of logits on a device: how it is read and written, and its sums. V classes; letters of
// rdrop_loss_terms.h.
#pragma once

#include "ops/rdrop_loss/rdrop_loss_terms.h"

namespace rdrop::RDROP_ISA {

/// 16 bytes of a row, as they are stored: a group of elements.
struct alignas(16) Group {
  uint32_t words[4];
};

template <typename T>
constexpr int group_elements = 16 / int(sizeof(T));

RDROP_ALWAYS_INLINE float bits_to_float(uint32_t bits) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(bits);
#else
  return __builtin_bit_cast(float, bits);
#endif
}

RDROP_ALWAYS_INLINE uint32_t float_to_bits(float x) {
#ifdef __CUDA_ARCH__
  return __float_as_uint(x);
#else
  return __builtin_bit_cast(uint32_t, x);
#endif
}

template <typename T>
RDROP_ALWAYS_INLINE void unpack(const Group& group, float* values) {
  RDROP_UNROLL
  for (int w = 0; w < 4; ++w) {
    if constexpr (sizeof(T) == 4) {
      values[w] = bits_to_float(group.words[w]);
    } else {
      values[2 * w] = to_float(T{uint16_t(group.words[w])});
      values[2 * w + 1] = to_float(T{uint16_t(group.words[w] >> 16)});
    }
  }
}

template <typename T>
RDROP_ALWAYS_INLINE Group pack(const float* values) {
  Group group;
  RDROP_UNROLL
  for (int w = 0; w < 4; ++w) {
    if constexpr (sizeof(T) == 4) {
      group.words[w] = float_to_bits(values[w]);
    } else {
      group.words[w] = pack_two<T>(values[2 * w], values[2 * w + 1]);
    }
  }
  return group;
}

/// The groups of one thread of a block of `threads`. whole: rows start on a boundary of 16 bytes and hold whole groups,
/// which move at once; group i lies at threads·i + thread. Otherwise neighboring threads move neighboring elements,
/// so that a warp still moves one piece of memory; element j of group i lies at threads·(elements·i + j) + thread.
template <typename T, bool whole, int threads>
class Share {
 public:
  static constexpr int elements = group_elements<T>;

  RDROP_ALWAYS_INLINE Share(int thread, int64_t classes) : thread_(thread) {
    const int units = int(whole ? classes / elements : classes);
    owned_ = units > thread ? (units - thread - 1) / threads + 1 : 0;
  }

  RDROP_ALWAYS_INLINE int groups() const { return whole ? owned_ : (owned_ + elements - 1) / elements; }

  /// Elements of all groups.
  RDROP_ALWAYS_INLINE int count() const { return whole ? owned_ * elements : owned_; }

  /// Elements of group i, one or more where i < groups().
  RDROP_ALWAYS_INLINE int count(int i) const {
    return whole || owned_ - i * elements >= elements ? elements : owned_ - i * elements;
  }

  /// Elements that the group does not have are arbitrary.
  RDROP_ALWAYS_INLINE Group load(const T* row, int i) const {
    if constexpr (whole) {
      return reinterpret_cast<const Group*>(row)[i * threads + thread_];
    } else {
      Group group{};
      RDROP_UNROLL
      for (int j = 0; j < elements; ++j) {
        if (j >= count(i)) continue;
        if constexpr (sizeof(T) == 4) {
          group.words[j] = float_to_bits(row[place(i, j)]);
        } else {
          group.words[j / 2] |= uint32_t(row[place(i, j)].bits) << (j % 2 * 16);
        }
      }
      return group;
    }
  }

  RDROP_ALWAYS_INLINE void store(T* row, int i, const Group& group) const {
    if constexpr (whole) {
      reinterpret_cast<Group*>(row)[i * threads + thread_] = group;
    } else {
      RDROP_UNROLL
      for (int j = 0; j < elements; ++j) {
        if (j >= count(i)) continue;
        if constexpr (sizeof(T) == 4) {
          row[place(i, j)] = bits_to_float(group.words[j]);
        } else {
          row[place(i, j)].bits = uint16_t(group.words[j / 2] >> (j % 2 * 16));
        }
      }
    }
  }

  /// Which thread stores class v.
  RDROP_ALWAYS_INLINE static int owner(int64_t v) { return int(whole ? v / elements % threads : v % threads); }

 private:
  RDROP_ALWAYS_INLINE int place(int i, int j) const { return threads * (elements * i + j) + thread_; }

  int thread_, owned_;
};

/// 2^y; 0 where that is below the least normal number.
RDROP_ALWAYS_INLINE float fast_exp2(float y) {
#ifdef __CUDA_ARCH__
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(y));
  return power;
#else
  return __builtin_exp2f(y);
#endif
}

/// 2^n, exactly, for a whole n up to 127; 0 below 2^-126 and for NaN.
RDROP_ALWAYS_INLINE float power_of_two(float n) {
  return n >= -126 && n <= 127 ? bits_to_float(uint32_t(int(n) + 127) << 23) : 0.0f;
}

/// The whole number nearest to y.
RDROP_ALWAYS_INLINE float nearest(float y) {
  return __builtin_rintf(y);
}

constexpr float factor = float(log2_of_e);

/// The reference of a logit as its offset: y = z factor - offset. Offsets are whole, so that another reference costs a
/// power of two and no rounding. One too large is NaN, which makes every sum NaN.
RDROP_ALWAYS_INLINE float checked_offset(float offset) {
  return offset < float(largest_offset) && offset > -float(largest_offset) ? offset : bits_to_float(0x7fc00000);
}

/// The sums of one thread over its share of a pair of rows, or of one row.
template <typename T, bool pair>
struct ShareSums {
  static constexpr int elements = group_elements<T>;
  float offset1, offset2;
  PowerSums<float> sums{};

  /// z1, z2: a logit of each row.
  RDROP_ALWAYS_INLINE ShareSums(float z1, float z2)
      : offset1(checked_offset(nearest(z1 * factor))), offset2(checked_offset(nearest(z2 * factor))) {}

  /// y of a group; returns the largest.
  template <bool all>
  RDROP_ALWAYS_INLINE static float exponents(const Group& group, float offset, int count, float* y) {
    unpack<T>(group, y);
    float largest = 0;
    RDROP_UNROLL
    for (int j = 0; j < elements; ++j) {
      y[j] = fma(y[j], factor, -offset);
      if (all || j < count) largest = y[j] > largest ? y[j] : largest;
    }
    return largest;
  }

  /// Adds a group; `done` elements of each row were added before. all: the group has every element.
  template <bool all>
  RDROP_ALWAYS_INLINE void add(const Group& group1, const Group& group2, int count, int done) {
    float y1[elements], y2[elements];
    while (true) {
      const float largest1 = exponents<all>(group1, offset1, count, y1);
      const float largest2 = pair ? exponents<all>(group2, offset2, count, y2) : 0.0f;
      if (!(largest1 > float(slack) || largest2 > float(slack))) break;
      raise(checked_offset(offset1 + nearest(largest1)), checked_offset(offset2 + nearest(largest2)), float(done));
    }
    RDROP_UNROLL
    for (int j = 0; j < elements; ++j) {
      if (!all && j >= count) continue;
      if constexpr (pair) {
        sums.template add<true, true>(y1[j], y2[j], fast_exp2(y1[j]), fast_exp2(y2[j]));
      } else {
        sums.e1 += fast_exp2(y1[j]), sums.y += y1[j];
      }
    }
  }

  /// Goes over to other offsets, larger ones or the same, after `done` elements.
  RDROP_ALWAYS_INLINE void raise(float to1, float to2, float done) {
    const float down1 = offset1 - to1, down2 = offset2 - to2;
    sums.lower(down1, down2, power_of_two(down1), power_of_two(down2));
    sums.y += done * (pair ? down1 + down2 : down1);
    offset1 = to1, offset2 = to2;
  }
};

}  // namespace rdrop::RDROP_ISA
