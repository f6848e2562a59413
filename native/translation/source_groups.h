// The sources that are decoded together: neighbors by falling length, so that they end at about the same time.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/batch.h"

namespace rdrop {

struct SourceGroup {
  Packed sources;
  std::vector<int64_t> places;  ///< where each stands in the list that was given
};

/// Groups of at most most_sentences(length of the longest) sentences and most_tokens tokens, one sentence at least.
std::vector<SourceGroup> source_groups(const Packed& sources, int64_t most_tokens,
                                       const std::function<int64_t(int64_t longest)>& most_sentences);

}  // namespace rdrop
