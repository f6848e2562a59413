// See source_groups.h.
#include "translation/source_groups.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace rdrop {

std::vector<SourceGroup> source_groups(const Packed& sources, int64_t most_tokens,
                                       const std::function<int64_t(int64_t longest)>& most_sentences) {
  const auto length_of = [&](int64_t i) { return int64_t(sources.offsets[i + 1]) - sources.offsets[i]; };
  std::vector<int64_t> order(sources.count());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return length_of(a) > length_of(b); });
  std::vector<SourceGroup> groups;
  for (size_t begin = 0; begin < order.size();) {
    SourceGroup group;
    const int64_t most = most_sentences(length_of(order[begin]));
    while (begin < order.size()) {
      const int64_t i = order[begin];
      if (!group.places.empty() &&
          (int64_t(group.places.size()) >= most || group.sources.size() + length_of(i) > most_tokens)) {
        break;
      }
      group.sources.tokens.insert(group.sources.tokens.end(), sources.tokens.begin() + sources.offsets[i],
                                  sources.tokens.begin() + sources.offsets[i + 1]);
      group.sources.offsets.push_back(int32_t(group.sources.tokens.size()));
      group.places.push_back(i);
      ++begin;
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace rdrop
