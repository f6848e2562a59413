// The rows of a batch by token: a stable sort, then groups of even size.
#include "ops/embedding/embedding_groups.h"

#include <algorithm>

namespace rdrop {

TokenGroups embedding_groups(const std::vector<int32_t>& tokens) {
  TokenGroups groups;
  for (int32_t row = 0; row < int32_t(tokens.size()); ++row) {
    if (tokens[size_t(row)] != kPaddingToken) groups.order.push_back(row);
  }
  const auto token_of = [&](int32_t row) { return tokens[size_t(row)]; };
  std::stable_sort(groups.order.begin(), groups.order.end(),
                   [&](int32_t a, int32_t b) { return token_of(a) < token_of(b); });
  const int64_t rows = int64_t(groups.order.size());
  for (int64_t begin = 0; begin < rows;) {
    const int32_t token = token_of(groups.order[size_t(begin)]);
    int64_t end = begin;
    while (end < rows && token_of(groups.order[size_t(end)]) == token) ++end;
    const int64_t count = end - begin, parts = (count + kGroupRows - 1) / kGroupRows;
    for (int64_t part = 0; part < parts; ++part) {
      groups.starts.push_back(int32_t(begin + count * part / parts));
      groups.tokens.push_back(token);
    }
    begin = end;
  }
  groups.starts.push_back(int32_t(rows));
  return groups;
}

}  // namespace rdrop
