// Sums over the rows: the gradient of a bias. R rows, C columns.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace rdrop {

class Device;

/// On the CPU: adds the sum of each column of x [R,C] to out [C], in float64 where x is, else in float32, in an order
/// that does not hang on threads.
void column_sums(const at::Tensor& x, at::Tensor& out);

/// On a device the sums of several matrices are taken at once.
struct ColumnSumOnDevice {
  at::Tensor x;    // [R,C] of any type that all have, rows may be strided
  at::Tensor out;  // float32 [ranges,C], written or added to
  bool add = false;
};
void column_sums_on(Device& device, const std::vector<ColumnSumOnDevice>& sums);

/// Into how many ranges of rows a device had best divide a sum when it takes `together` of them at once.
int64_t column_sums_ranges_on(Device& device, const at::Tensor& x, int64_t together);

}  // namespace rdrop
