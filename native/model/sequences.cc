// See sequences.h.
#include "model/sequences.h"

#include <algorithm>
#include <utility>

#include "device/device.h"
#include "model/config.h"
#include "model/tensors.h"
#include "ops/embedding/embedding_groups.h"

namespace rdrop {

Packed decoder_input(const Packed& target) {
  Packed input = target;
  for (int64_t i = 0; i < target.count(); ++i) {
    const int32_t begin = target.offsets[i], end = target.offsets[i + 1];
    input.tokens[begin] = kEos;
    std::copy(target.tokens.begin() + begin, target.tokens.begin() + end - 1, input.tokens.begin() + begin + 1);
  }
  return input;
}

std::vector<int32_t> positions_of(const Packed& packed) {
  std::vector<int32_t> positions;
  positions.reserve(packed.tokens.size());
  for (int64_t i = 0; i < packed.count(); ++i) {
    const int32_t length = packed.offsets[i + 1] - packed.offsets[i];
    for (int32_t k = 0; k < length; ++k) positions.push_back(kPad + 1 + k);
  }
  return positions;
}

Sequences sequences_of(const Packed& first, const Packed& second, bool groups) {
  Packed all = first;
  all.append(second);
  Sequences sequences{int_tensor(all.tokens), int_tensor(positions_of(all)), all.offsets, first.size(), {}, 0, {}};
  if (!current_device()) return sequences;
  sequences.starts = int_tensor(all.offsets);
  for (int64_t i = 0; i < all.count(); ++i) {
    sequences.longest = std::max<int64_t>(sequences.longest, all.offsets[i + 1] - all.offsets[i]);
  }
  if (groups) {
    const TokenGroups found = embedding_groups(all.tokens);
    sequences.groups = {int_tensor(found.order), int_tensor(found.starts), int_tensor(found.tokens),
                        int_tensor({int32_t(found.tokens.size())})};
  }
  return sequences;
}

AttentionShape attention_shape(const Sequences& queries, const Sequences& keys, int64_t heads, bool causal) {
  AttentionShape shape;
  shape.query_offsets = queries.offsets;
  shape.key_begin.assign(keys.offsets.begin(), keys.offsets.end() - 1);
  shape.key_end.assign(keys.offsets.begin() + 1, keys.offsets.end());
  shape.heads = heads;
  shape.causal = causal;
  shape.query_starts = queries.starts;
  shape.key_starts = keys.starts;
  shape.longest_query = queries.longest;
  shape.longest_key = keys.longest;
  return shape;
}

}  // namespace rdrop
