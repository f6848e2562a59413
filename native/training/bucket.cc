// See bucket.h.
#include "training/bucket.h"

#include <algorithm>

namespace rdrop {
namespace {

/// Every bucket has at least this many rows to spare on either side, so that each added sequence has a row on both: it
/// may be 32 rows long at least, and no row step is larger than 128.
constexpr int64_t kSpareRows = 16;
constexpr int64_t kLeastLongest = 32;

int64_t round_up(int64_t count, int64_t step) {
  return (count + step - 1) / step * step;
}

int64_t power_of_two(int64_t count, int64_t least) {
  int64_t power = least;
  while (power < count) power *= 2;
  return power;
}

int64_t longest_of(const Packed& packed) {
  int64_t longest = 0;
  for (int64_t i = 0; i < packed.count(); ++i) {
    longest = std::max<int64_t>(longest, packed.offsets[i + 1] - packed.offsets[i]);
  }
  return longest;
}

}  // namespace

Bucket bucket_of(const PackedBatch& batch, const ModelConfig& config, int64_t row_step) {
  const auto rows = [&](int64_t count) { return round_up(count + kSpareRows, row_step); };
  int64_t longest = std::max(longest_of(batch.source), longest_of(batch.target));
  if (batch.second_source.count() > 0) longest = std::max(longest, longest_of(batch.second_source));
  Bucket bucket{rows(std::max(batch.source.size(), batch.second_source.size())),
                config.has_both() ? rows(batch.target.size()) : 0, 0,
                std::min(power_of_two(longest, kLeastLongest), config.max_positions)};
  bucket.sequences = round_up(batch.source.count() + pads_of(batch, bucket), row_step / 2);
  return bucket;
}

int64_t pads_of(const PackedBatch& batch, const Bucket& bucket) {
  int64_t missing = bucket.source_rows - batch.source.size();
  if (bucket.target_rows > 0) missing = std::max(missing, bucket.target_rows - batch.target.size());
  if (batch.second_source.count() > 0) missing = std::max(missing, bucket.source_rows - batch.second_source.size());
  return (missing + bucket.longest - 1) / bucket.longest;
}

}  // namespace rdrop
