// How a product by panels is cut: over threads into rectangles of out, in a rectangle into blocks that stay in a core's
// caches. No sum is cut over threads, so that their number changes no result.
#pragma once

#include <algorithm>
#include <memory>

#include "ops/packed_gemm/packed_gemm_kernel.h"

namespace rdrop {

constexpr int64_t kBlockRows = 16 * kLeftPanel, kBlockSteps = 256;           // a left block: 192 KiB
constexpr int64_t kRectangleRows = 4 * kBlockRows, kRectangleColumns = 512;  // a right block: 512 KiB

constexpr int64_t kProductsWorthAThread = 1 << 18;

/// The size of each of `parts` even parts, in whole panels.
inline int64_t in_panels(int64_t size, int64_t parts, int64_t panel) {
  const int64_t part = (size + parts - 1) / parts;
  return std::max<int64_t>(1, (part + panel - 1) / panel) * panel;
}

struct Rectangle {
  int64_t row, rows, column, columns;
};

/// The rectangles of out [rows,columns]: as many for each thread, as near to squares as that allows, since each packs
/// its own panels.
class PanelGrid {
 public:
  PanelGrid(int64_t rows, int64_t columns, int64_t terms, int64_t threads) : rows_(rows), columns_(columns) {
    if (rows * columns * terms < 2 * kProductsWorthAThread) threads = 1;
    int64_t down = std::max<int64_t>(1, (rows + kRectangleRows - 1) / kRectangleRows);
    int64_t across = std::max<int64_t>(1, (columns + kRectangleColumns - 1) / kRectangleColumns);
    while (down * across % threads != 0 && down * across < 4 * threads) {
      const int64_t height = rows / down, width = columns / across;
      if (height < 2 * kLeftPanel && width < 2 * kRightPanel) break;
      ++(height >= width ? down : across);
    }
    row_step_ = in_panels(rows, down, kLeftPanel);
    column_step_ = in_panels(columns, across, kRightPanel);
    down_ = (rows + row_step_ - 1) / row_step_;
    across_ = (columns + column_step_ - 1) / column_step_;
  }

  int64_t tasks() const { return down_ * across_; }
  /// Neighbors share their columns, that is the larger factor's part.
  Rectangle task(int64_t index) const {
    const int64_t row = index % down_ * row_step_, column = index / down_ * column_step_;
    return {row, std::min(row_step_, rows_ - row), column, std::min(column_step_, columns_ - column)};
  }

 private:
  int64_t rows_, columns_, row_step_ = 0, column_step_ = 0, down_ = 0, across_ = 0;
};

/// The packed blocks of one thread.
template <typename T>
class PanelWorkspace {
 public:
  Step<T>* left() { return aligned(memory_.get()); }
  Step<T>* right() { return left() + kLeft; }

 private:
  static constexpr int64_t kLeft = kBlockRows * kBlockSteps, kRight = kRectangleColumns * kBlockSteps;
  static Step<T>* aligned(Step<T>* p) { return p + (64 - reinterpret_cast<uintptr_t>(p) % 64) % 64 / sizeof(Step<T>); }
  std::unique_ptr<Step<T>[]> memory_ { new Step<T>[ size_t(kLeft + kRight + 16) ] };
};

/// Where the sums of a rectangle go.
struct PanelSums {
  float* out;  // [rows, columns] of the rectangle
  int64_t stride;
  const float* bias;  // [columns] of the rectangle, or null
  bool add;           ///< to what is there
};

/// Some lines and terms of a factor.
template <typename T>
PanelSource<T> cut(const PanelSource<T>& all, int64_t line, int64_t lines, int64_t term, int64_t terms) {
  return {all.from + line * all.line_stride + term * all.term_stride, all.line_stride, all.term_stride, lines, terms};
}

template <typename T>
constexpr int64_t kBlockTerms = kBlockSteps * kStepTerms<T>;

/// A right factor packed as a whole, for many products: block after block of kBlockTerms terms, each
/// [columns / 32 rounded up, steps, 32].
template <typename T>
struct PackedRight {
  const Step<T>* panels;
  int64_t lines, terms;

  static int64_t padded(int64_t lines) { return (lines + kRightPanel - 1) / kRightPanel * kRightPanel; }
  static int64_t size(const PanelSource<T>& source) { return padded(source.lines) * source.steps(); }
};

template <typename T>
void pack_whole_right(const PackedGemmKernels<T>& kernels, const PanelSource<T>& right, Step<T>* to) {
  for (int64_t term = 0; term < right.terms; term += kBlockTerms<T>) {
    const int64_t terms = std::min(kBlockTerms<T>, right.terms - term);
    const PanelSource<T> block = cut(right, int64_t(0), right.lines, term, terms);
    kernels.pack_right(block, to);
    to += PackedRight<T>::size(block);
  }
}

/// The panels of a block of the right factor: itself where it already is one panel beside the other and a step is not
/// far from the next, else packed now.
template <typename T>
RightPanels<T> right_panels(const PackedGemmKernels<T>& kernels, const PanelSource<T>& right, const Rectangle& part,
                            int64_t term, int64_t terms, PanelWorkspace<T>& workspace) {
  constexpr int64_t near = 1024 / int64_t(sizeof(T));
  const PanelSource<T> columns = cut(right, part.column, part.columns, term, terms);
  if (kStepTerms<T> == 1 && columns.line_stride == 1 && columns.term_stride <= near &&
      part.columns % kRightPanel == 0) {
    return {reinterpret_cast<const Step<T>*>(columns.from), kRightPanel, columns.term_stride};
  }
  kernels.pack_right(columns, workspace.right());
  return {workspace.right(), columns.steps() * kRightPanel, kRightPanel};
}
/// The same of one that is packed.
template <typename T>
RightPanels<T> right_panels(const PackedGemmKernels<T>&, const PackedRight<T>& right, const Rectangle& part,
                            int64_t term, int64_t terms, PanelWorkspace<T>&) {
  const int64_t steps = (terms + kStepTerms<T> - 1) / kStepTerms<T>;
  const int64_t before = PackedRight<T>::padded(right.lines) * (term / kStepTerms<T>);
  return {right.panels + before + part.column * steps, steps * kRightPanel, kRightPanel};
}

/// The sums of `part` of left·right, with the bias; right is a PanelSource or a PackedRight. Calls done(begin, end) for
/// rows of the rectangle that are complete.
template <typename T, typename Right, typename Done>
void multiply_rectangle(const PackedGemmKernels<T>& kernels, const PanelSource<T>& left, const Right& right,
                        const Rectangle& part, const PanelSums& sums, PanelWorkspace<T>& workspace, const Done& done) {
  const int64_t blocks = (part.rows + kBlockRows - 1) / kBlockRows;  // even ones, none small
  const int64_t block_rows = in_panels(part.rows, blocks, kLeftPanel);
  for (int64_t term = 0; term == 0 || term < left.terms; term += kBlockTerms<T>) {
    const int64_t terms = std::min(kBlockTerms<T>, left.terms - term);
    const RightPanels<T> columns = right_panels(kernels, right, part, term, terms, workspace);
    for (int64_t row = 0; row < part.rows; row += block_rows) {
      const PanelSource<T> rows = cut(left, part.row + row, std::min(block_rows, part.rows - row), term, terms);
      kernels.pack_left(rows, workspace.left());
      kernels.multiply({workspace.left(), columns, rows.lines, part.columns, rows.steps(),
                        term == 0 ? sums.bias : nullptr, sums.out + row * sums.stride, sums.stride,
                        sums.add || term > 0});
      if (term + terms == left.terms) done(row, row + rows.lines);
    }
  }
}

}  // namespace rdrop
