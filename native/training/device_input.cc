// See device_input.h.
#include "training/device_input.h"

#include <algorithm>
#include <numeric>

#include "device/device.h"
#include "model/config.h"
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

  /// Writes both passes of a side; `decoder`: of a target, what the decoder reads. `pads`: as pads_of.
  void fill(int32_t* to, const Packed& first, const Packed& second, bool decoder, int64_t pads) const {
    const int64_t pass_rows = rows / 2, pass_sequences = sequences / 2;
    fill_pass(to, 0, first, decoder, pads);
    if (&first == &second) {
      const auto repeat = [&](int64_t begin, int64_t size) { std::copy_n(to + begin, size, to + begin + size); };
      repeat(tokens, pass_rows);
      repeat(positions, pass_rows);
      for (int64_t i = 0; i <= pass_sequences; ++i) {
        to[starts + pass_sequences + i] = to[starts + i] + int32_t(pass_rows);
      }
    } else {
      fill_pass(to, 1, second, decoder, pads);
    }
    int32_t* ends = to + group_starts;
    const int64_t groups = write_embedding_groups(to + tokens, rows, to + order, ends, to + group_tokens);
    to[group_count] = int32_t(groups);
    // Nobody reads what is beyond, but it is the same in every run.
    std::fill(to + order + ends[groups], to + order + rows, 0);
    std::fill(ends + groups + 1, ends + rows + 1, 0);
    std::fill(to + group_tokens + groups, to + group_tokens + rows, 0);
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
  /// Writes tokens, positions and starts of pass 0 or 1.
  void fill_pass(int32_t* to, int64_t pass, const Packed& packed, bool decoder, int64_t pads) const {
    const int64_t pass_rows = rows / 2, pass_sequences = sequences / 2, first_row = pass * pass_rows;
    const int64_t count = packed.count(), size = packed.size(), missing = pass_rows - size;
    int32_t* begins = to + starts + pass * pass_sequences;
    for (int64_t i = 0; i <= count; ++i) begins[i] = int32_t(first_row) + packed.offsets[size_t(i)];
    for (int64_t i = 1; i <= pads; ++i) begins[count + i] = int32_t(first_row + size + missing * i / pads);
    std::fill(begins + count + pads + 1, begins + pass_sequences + 1, int32_t(first_row + pass_rows));
    int32_t* row_tokens = to + tokens + first_row;
    if (decoder) {
      // The token before: eos at the start of a sequence, as decoder_input().
      if (size > 0) std::copy(packed.tokens.begin(), packed.tokens.end() - 1, row_tokens + 1);
      for (int64_t i = 0; i < count; ++i) {
        if (packed.offsets[size_t(i)] < packed.offsets[size_t(i) + 1]) row_tokens[packed.offsets[size_t(i)]] = kEos;
      }
    } else {
      std::copy(packed.tokens.begin(), packed.tokens.end(), row_tokens);
    }
    std::fill(row_tokens + size, row_tokens + pass_rows, kPad);
    int32_t* row_positions = to + positions;
    for (int64_t i = 0; i < count + pads; ++i) {
      std::iota(row_positions + begins[i], row_positions + begins[i + 1], kPad + 1);
    }
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
  const int64_t pads = pads_of(batch, bucket_);
  const Packed& second = batch.second_source.count() > 0 ? batch.second_source : batch.source;
  const auto write = [&](void* host) {
    auto* to = static_cast<int32_t*>(host);
    layout.source.fill(to, batch.source, second, false, pads);
    layout.target.fill(to, batch.target, batch.target, true, pads);
    std::copy(batch.target.tokens.begin(), batch.target.tokens.end(), to + layout.targets);
    std::fill(to + layout.targets + batch.target.size(), to + layout.targets + bucket_.target_rows, ignored);
  };
  device.memory().upload(size_t(layout.slices.size()) * sizeof(int32_t), write, indices_);
}

}  // namespace rdrop
