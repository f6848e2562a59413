// Attention of one query a row over cached keys and values, for decoding on the CPU (a device has decode_attention). R
// rows, H heads, D width. The output is that of attention.h for sequences of
// one query, and NaN where a score is not finite.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace rdrop {

/// Writes out [R,D]. query [R,D], unit stride in a row. blocks: for each position the keys and values of the rows there
/// were then, unit stride in a row and one row stride for all, a key at the start of a row, its value D behind it;
/// ancestors [R, ancestor_stride]: for each position the row that held it.
void attention_to_history(const at::Tensor& query, const std::vector<at::Tensor>& blocks,
                          const std::vector<int32_t>& ancestors, int64_t ancestor_stride, int64_t heads,
                          at::Tensor& out);

/// The same over rows [begin, end) of memory [S,2D], given for each row of the query.
void attention_to_source(const at::Tensor& query, const at::Tensor& memory, const std::vector<int32_t>& begin,
                         const std::vector<int32_t>& end, int64_t heads, at::Tensor& out);

}  // namespace rdrop
