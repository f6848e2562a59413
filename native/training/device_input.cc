// See device_input.h.
#include "training/device_input.h"

#include <algorithm>

#include "device/device.h"
#include "ops/embedding/embedding_groups.h"

namespace rdrop {
namespace {

/// Arrays start on a boundary of 64 bytes.
constexpr int64_t kBoundary = 16;

/// Hands out consecutive slices of the buffer.
class Slices {
 public:
  int64_t take(int64_t size) {
    const int64_t begin = end_;
    end_ += (size + kBoundary - 1) / kBoundary * kBoundary;
    return begin;
  }
  int64_t size() const { return end_; }

 private:
  int64_t end_ = 0;
};

/// Where the arrays of one side lie; rows and sequences of both passes.
struct SideLayout {
  int64_t rows, sequences;
  int64_t tokens, positions, starts, order, group_starts, group_tokens, group_count;

  SideLayout(Slices& slices, int64_t pass_rows, int64_t pass_sequences)
      : rows(2 * pass_rows),
        sequences(2 * pass_sequences),
        tokens(slices.take(rows)),
        positions(slices.take(rows)),
        starts(slices.take(sequences + 1)),
        order(slices.take(rows)),
        group_starts(slices.take(rows + 1)),
        group_tokens(slices.take(rows)),
        group_count(slices.take(1)) {}

  void fill(std::vector<int32_t>& to, const Packed& first, const Packed& second) const {
    Packed all = first;
    all.append(second);
    const TokenGroups groups = embedding_groups(all.tokens);
    put(to, tokens, all.tokens);
    put(to, positions, positions_of(all));
    put(to, starts, all.offsets);
    put(to, order, groups.order);
    put(to, group_starts, groups.starts);
    put(to, group_tokens, groups.tokens);
    to[size_t(group_count)] = int32_t(groups.tokens.size());
  }

  Sequences views(const at::Tensor& indices, int64_t longest) const {
    Sequences side;
    side.tokens = indices.narrow(0, tokens, rows);
    side.positions = indices.narrow(0, positions, rows);
    side.pass_rows = rows / 2;
    side.starts = indices.narrow(0, starts, sequences + 1);
    side.longest = longest;
    side.groups = {indices.narrow(0, order, rows), indices.narrow(0, group_starts, rows + 1),
                   indices.narrow(0, group_tokens, rows), indices.narrow(0, group_count, 1)};
    // Attention on a device reads the starts; the host's offsets give it the number of sequences alone.
    side.offsets.assign(size_t(sequences + 1), 0);
    return side;
  }

 private:
  static void put(std::vector<int32_t>& to, int64_t begin, const std::vector<int32_t>& from) {
    std::copy(from.begin(), from.end(), to.begin() + begin);
  }
};

struct Layout {
  Slices slices;
  SideLayout source, target;
  int64_t targets;

  explicit Layout(const Bucket& bucket)
      : source(slices, bucket.source_rows, bucket.sequences),
        target(slices, bucket.target_rows, bucket.sequences),
        targets(slices.take(bucket.target_rows)) {}
};

}  // namespace

DeviceInput::DeviceInput(Device& device, const Bucket& bucket) : bucket_(bucket) {
  const Layout layout(bucket);
  indices_ = device.memory().empty({layout.slices.size()}, at::kInt);
  input_ = {layout.source.views(indices_, bucket.longest), layout.target.views(indices_, bucket.longest),
            indices_.narrow(0, layout.targets, bucket.target_rows)};
}

void DeviceInput::fill(Device& device, const PackedBatch& batch, int32_t ignored) {
  const Layout layout(bucket_);
  const PaddedBatch padded = pad_batch(batch, bucket_, ignored);
  std::vector<int32_t> host(size_t(layout.slices.size()), 0);
  layout.source.fill(host, padded.source, padded.second_source);
  layout.target.fill(host, padded.target_input, padded.target_input);
  std::copy(padded.targets.begin(), padded.targets.end(), host.begin() + layout.targets);
  device.memory().upload(host.data(), host.size() * sizeof(int32_t), indices_);
}

}  // namespace rdrop
