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

namespace {

/// The rows by id; padding: an id that is left out, -1: none.
EmbeddingGroups groups_of(const std::vector<int32_t>& ids, int32_t padding) {
  std::vector<int32_t> order(ids.size()), starts(ids.size() + 1), tokens(ids.size());
  const int64_t count =
      write_embedding_groups(ids.data(), int64_t(ids.size()), order.data(), starts.data(), tokens.data(), padding);
  starts.resize(size_t(count) + 1);
  order.resize(size_t(starts.back()));
  tokens.resize(size_t(count));
  return {int_tensor(order), int_tensor(starts), int_tensor(tokens), int_tensor({int32_t(count)})};
}

std::vector<int32_t> types_of(const Packed& all, int64_t passes, const std::vector<int32_t>* types) {
  if (!types || types->empty()) return std::vector<int32_t>(all.tokens.size(), 0);
  std::vector<int32_t> result;
  for (int64_t pass = 0; pass < passes; ++pass) result.insert(result.end(), types->begin(), types->end());
  return result;
}

}  // namespace

Sequences sequences_of(const Packed& first, const Packed& second, const SequenceUse& use) {
  Packed all = first;
  all.append(second);
  const std::vector<int32_t> positions = positions_of(all);
  Sequences sequences;
  sequences.tokens = int_tensor(all.tokens);
  sequences.positions = int_tensor(positions);
  sequences.offsets = all.offsets;
  sequences.pass_rows = first.size();
  sequences.starts = int_tensor(all.offsets);
  std::vector<int32_t> types;
  if (use.typed) {
    types = types_of(all, second.count() > 0 ? 2 : 1, use.types);
    sequences.types = int_tensor(types);
  }
  if (!current_device()) return sequences;
  for (int64_t i = 0; i < all.count(); ++i) {
    sequences.longest = std::max<int64_t>(sequences.longest, all.offsets[i + 1] - all.offsets[i]);
  }
  if (use.backward) {
    sequences.groups = groups_of(all.tokens, kPad);
    if (use.learned_positions) sequences.position_groups = groups_of(positions, -1);
    if (use.typed) sequences.type_groups = groups_of(types, -1);
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
