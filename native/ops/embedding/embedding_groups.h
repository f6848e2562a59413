// The rows of a batch by token, which is how a device sums the gradient of the table without atomics. R rows.
#pragma once

#include <cstdint>
#include <vector>

namespace rdrop {

/// Most rows of a group: what one warp sums. A token of more rows has several groups, of half as many rows at least.
constexpr int64_t kGroupRows = 8;

/// The padding token, which has no gradient.
constexpr int32_t kPaddingToken = 1;

/// Group u holds rows order[starts[u]] to order[starts[u+1] - 1], ascending, all of token tokens[u].
struct TokenGroups {
  std::vector<int32_t> order;   // at most R; rows of padding are left out
  std::vector<int32_t> starts;  // a start a group, then the end
  std::vector<int32_t> tokens;  // ascending; the groups of one token are neighbors
};

TokenGroups embedding_groups(const std::vector<int32_t>& tokens);

/// The same for tokens [R], not negative, but for `padding` (-1: none) in the place of the padding token, into the
/// arrays of the caller: order [R], starts [R+1] and group_tokens [R], of which the parts beyond the groups are left as
/// they are. Returns how many groups there are.
int64_t write_embedding_groups(const int32_t* tokens, int64_t rows, int32_t* order, int32_t* starts,
                               int32_t* group_tokens, int32_t padding = kPaddingToken);

/// Scratch rows for the groups of tokens that have several: starts of such groups are kGroupRows / 2 apart or more.
inline int64_t embedding_partial_rows(int64_t rows) {
  return (rows + kGroupRows / 2 - 1) / (kGroupRows / 2);
}

}  // namespace rdrop
