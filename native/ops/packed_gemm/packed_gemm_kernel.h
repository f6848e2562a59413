// Matrix products by packed panels (K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication",
// ACM Transactions on Mathematical Software 34, 2008), summed in float32: out [M,N] = left [M,K] · right [K,N].
//
// A panel holds some rows of the left factor, or some columns of the right one, step by step along K, so that the
// innermost loop reads both in order. A step is 32 bits: one number in float32; in bfloat16 two that are neighbors
// along K, which a chip multiplies and adds up at once.
#pragma once

#include "core/element.h"

namespace rdrop {

constexpr int64_t kLeftPanel = 12;   // rows of a left panel
constexpr int64_t kRightPanel = 32;  // columns of a right panel

template <typename T>
constexpr int64_t kStepTerms = int64_t(4 / sizeof(T));

template <typename T>
struct Step {
  T terms[kStepTerms<T>];
};

/// A factor as it lies in memory: lines (rows of the left factor, columns of the right one) of `terms` along K.
template <typename T>
struct PanelSource {
  const T* from;
  int64_t line_stride, term_stride;  // one of them is 1
  int64_t lines, terms;

  int64_t steps() const { return (terms + kStepTerms<T> - 1) / kStepTerms<T>; }
};

/// Panels of a right factor: packed ones, or the factor itself where its columns lie side by side.
template <typename T>
struct RightPanels {
  const Step<T>* from;  // [columns / 32 rounded up, steps, 32]
  int64_t panel, step;  ///< from a panel, and from a step, to the next
};

/// A rectangle of the product.
template <typename T>
struct PanelBlock {
  const Step<T>* left;  // [rows / 12 rounded up, steps, 12]
  RightPanels<T> right;
  int64_t rows, columns, steps;
  const float* bias;  // [columns] to add, or null
  float* out;         // [rows, columns], out_stride from row to row
  int64_t out_stride;
  bool add;  ///< to what is there
};

template <typename T>
struct PackedGemmKernels {
  /// Lines into panels [lines / width rounded up, steps, width], zeros where the source has ended.
  void (*pack_left)(const PanelSource<T>&, Step<T>* to);
  void (*pack_right)(const PanelSource<T>&, Step<T>* to);
  void (*multiply)(const PanelBlock<T>&);
};

}  // namespace rdrop
