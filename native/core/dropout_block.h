// Dropout masks inside a block of threads: the words of dropout_kernel.h, four neighboring applications of Philox at a
// time. Such a group decides four runs of four columns, one in each quarter of the row.
#pragma once

#include "core/dropout.h"
#include "core/host_device.h"

namespace rdrop::RDROP_ISA {

/// Four elements that are read and written at once.
template <typename T>
struct alignas(4 * sizeof(T)) Four {
  T value[4];
};

/// Whether four elements may be read at once from here on. Parameters that lie one after another in one buffer start
/// wherever the one before ends.
template <typename T>
RDROP_INLINE bool on_boundary(const T* from) {
  return reinterpret_cast<uintptr_t>(from) % sizeof(Four<T>) == 0;
}

/// Reads `count` (1 to 4) elements; whole: four of them, on their boundary.
template <typename T>
RDROP_INLINE void load_four(const T* from, bool whole, int count, float* to) {
  if (whole) {
    const Four<T> four = *reinterpret_cast<const Four<T>*>(from);
    RDROP_UNROLL
    for (int i = 0; i < 4; ++i) to[i] = to_float(four.value[i]);
  } else {
    RDROP_UNROLL
    for (int i = 0; i < 4; ++i) to[i] = i < count ? to_float(from[i]) : 0.0f;
  }
}

template <typename T>
RDROP_INLINE void store_four(T* to, bool whole, int count, const float* from) {
  if (whole) {
    Four<T> four;
    RDROP_UNROLL
    for (int i = 0; i < 4; ++i) assign(four.value[i], from[i]);
    *reinterpret_cast<Four<T>*>(to) = four;
  } else {
    RDROP_UNROLL
    for (int i = 0; i < 4; ++i) {
      if (i < count) assign(to[i], from[i]);
    }
  }
}

/// Calls visit(w, column, count) for the runs w = 0..3 of a group: columns column..column+count-1 of the row, 1 to 4 of
/// them. A group beyond the row has no runs.
template <class Visit>
RDROP_INLINE void visit_runs(int64_t columns, int64_t group, Visit visit) {
  const int64_t quarter = (columns + 3) / 4;
  RDROP_UNROLL
  for (int w = 0; w < 4; ++w) {
    const int64_t column = w * quarter + 4 * group;
    int64_t count = quarter - 4 * group < 4 ? quarter - 4 * group : 4;
    if (column + count > columns) count = columns - column;
    if (count > 0) visit(w, column, int(count));
  }
}

/// The masks of one row of C columns.
class RowDropout {
 public:
  RDROP_INLINE RowDropout(const Dropout& dropout, int64_t row, int64_t columns)
      : on_(dropout.p > 0), columns_(columns), quarter_((columns + 3) / 4), threshold_(dropout_threshold(dropout.p)) {
    if (!on_) return;
    scale_ = float(1.0 / (1.0 - dropout.p));
    const uint64_t update = dropout.stream.update_at ? *dropout.stream.update_at : dropout.stream.update;
    counter_ = dropout_counter(dropout, update, row, quarter_);
  }

  RDROP_INLINE int64_t quarter() const { return quarter_; }

  /// Applications of Philox in groups of four: group g covers applications 4g to 4g+3.
  RDROP_INLINE int64_t groups() const { return (quarter_ + 3) / 4; }

  /// Calls visit(w, column, count, keep) for the runs w = 0..3 of a group: columns column..column+count-1, 1 to 4 of
  /// them; keep[i] is 0 where column + i is dropped and 1/(1-p) where it stays (1 without dropout).
  template <class Visit>
  RDROP_INLINE void visit(int64_t group, Visit visit) const {
    uint32_t words[4][4];
    if (on_) {
      RDROP_UNROLL
      for (int i = 0; i < 4; ++i) {
        const uint64_t c = counter_.first + uint64_t(4 * group + i);
        philox4x32(uint32_t(c), uint32_t(c >> 32), counter_.c2, counter_.c3, counter_.k0, counter_.k1, &words[0][i],
                   &words[1][i], &words[2][i], &words[3][i]);
      }
    }
    visit_runs(columns_, group, [&](int w, int64_t column, int count) {
      float keep[4];
      RDROP_UNROLL
      for (int i = 0; i < 4; ++i) keep[i] = !on_ ? 1.0f : words[w][i] >= threshold_ ? scale_ : 0.0f;
      visit(w, column, count, keep);
    });
  }

 private:
  bool on_;
  int64_t columns_, quarter_;
  uint32_t threshold_;
  float scale_ = 1;
  DropoutCounter counter_ = {};
};

/// Whether every run of a row of C columns is whole and on its boundary, so that four elements move at once. The rows
/// themselves start on a boundary because C is a multiple of 16 and tensors start on one of 64 bytes.
RDROP_INLINE bool whole_fours(int64_t columns) {
  return columns % 16 == 0;
}

}  // namespace rdrop::RDROP_ISA
