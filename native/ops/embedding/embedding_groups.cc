// The rows of a batch by token: a counting sort, then groups of even size.
#include "ops/embedding/embedding_groups.h"

#include <algorithm>

namespace rdrop {

int64_t write_embedding_groups(const int32_t* tokens, int64_t rows, int32_t* order, int32_t* starts,
                               int32_t* group_tokens, int32_t padding) {
  // Kept from call to call: where the rows of a token begin in `order`, and then where they end.
  thread_local std::vector<int32_t> place;
  int32_t most = padding;
  for (int64_t row = 0; row < rows; ++row) most = std::max(most, tokens[row]);
  place.assign(size_t(most) + 1, 0);
  for (int64_t row = 0; row < rows; ++row) ++place[size_t(tokens[row])];
  if (padding >= 0) place[size_t(padding)] = 0;
  int32_t begin = 0;
  int64_t groups = 0;
  for (int32_t token = 0; token <= most; ++token) {
    const int64_t count = place[size_t(token)];
    place[size_t(token)] = begin;
    const int64_t parts = (count + kGroupRows - 1) / kGroupRows;
    for (int64_t part = 0; part < parts; ++part) {
      starts[groups] = int32_t(begin + count * part / parts);
      group_tokens[groups++] = token;
    }
    begin += int32_t(count);
  }
  starts[groups] = begin;
  for (int32_t row = 0; row < int32_t(rows); ++row) {
    if (tokens[row] != padding) order[place[size_t(tokens[row])]++] = row;
  }
  return groups;
}

TokenGroups embedding_groups(const std::vector<int32_t>& tokens) {
  TokenGroups groups{std::vector<int32_t>(tokens.size()), std::vector<int32_t>(tokens.size() + 1),
                     std::vector<int32_t>(tokens.size())};
  const int64_t count = write_embedding_groups(tokens.data(), int64_t(tokens.size()), groups.order.data(),
                                               groups.starts.data(), groups.tokens.data());
  groups.starts.resize(size_t(count) + 1);
  groups.tokens.resize(size_t(count));
  groups.order.resize(size_t(groups.starts.back()));
  return groups;
}

}  // namespace rdrop
