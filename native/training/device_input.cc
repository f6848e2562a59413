// See device_input.h.
#include "training/device_input.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

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

/// Where the groups of a side's rows lie (EmbeddingGroups).
struct GroupLayout {
  int64_t rows, order, starts, ids, count;

  GroupLayout(Slices& slices, int64_t rows)
      : rows(rows),
        order(slices.take(rows)),
        starts(slices.take(rows + 1)),
        ids(slices.take(rows)),
        count(slices.take(1)) {}

  /// Of the ids of the rows, which lie in the buffer as well; padding: an id that is left out, -1: none.
  void fill(int32_t* to, int64_t of, int32_t padding) const {
    int32_t* ends = to + starts;
    const int64_t groups = write_embedding_groups(to + of, rows, to + order, ends, to + ids, padding);
    to[count] = int32_t(groups);
    // Nobody reads what is beyond, but it is the same in every run.
    std::fill(to + order + ends[groups], to + order + rows, 0);
    std::fill(ends + groups + 1, ends + rows + 1, 0);
    std::fill(to + ids + groups, to + ids + rows, 0);
  }

  EmbeddingGroups views(const at::Tensor& indices) const {
    return {indices.narrow(0, order, rows), indices.narrow(0, starts, rows + 1), indices.narrow(0, ids, rows),
            indices.narrow(0, count, 1)};
  }
};

/// What a side reads.
struct SideBatch {
  const Packed &first, &second;       ///< of pass 1 and of pass 2
  bool shifted;                       ///< the token before: of a target, what the decoder reads
  const std::vector<int32_t>* types;  ///< of the tokens; empty: all 0
};

/// Where the arrays of one side lie; rows and sequences of all passes.
struct SideLayout {
  int passes;
  int64_t rows, sequences;
  int64_t tokens, positions, starts;
  GroupLayout groups;
  std::optional<GroupLayout> position_groups;  ///< of learned positions
  int64_t types = 0;
  std::optional<GroupLayout> type_groups;  ///< of a network with token types

  SideLayout(Slices& slices, int passes, int64_t pass_rows, int64_t pass_sequences, bool learned, bool typed)
      : passes(passes),
        rows(passes * pass_rows),
        sequences(passes * pass_sequences),
        tokens(slices.take(rows)),
        positions(slices.take(rows)),
        starts(slices.take(sequences + 1)),
        groups(slices, rows) {
    if (learned) position_groups.emplace(slices, rows);
    if (!typed) return;
    types = slices.take(rows);
    type_groups.emplace(slices, rows);
  }

  /// Writes all passes of a side. `pads`: as pads_of.
  void fill(int32_t* to, const SideBatch& batch, int64_t pads) const {
    const int64_t pass_rows = rows / passes, pass_sequences = sequences / passes;
    fill_pass(to, 0, batch.first, batch, pads);
    if (passes == 2 && &batch.first == &batch.second) {
      const auto repeat = [&](int64_t begin, int64_t size) { std::copy_n(to + begin, size, to + begin + size); };
      repeat(tokens, pass_rows);
      repeat(positions, pass_rows);
      if (type_groups) repeat(types, pass_rows);
      for (int64_t i = 0; i <= pass_sequences; ++i) {
        to[starts + pass_sequences + i] = to[starts + i] + int32_t(pass_rows);
      }
    } else if (passes == 2) {
      fill_pass(to, 1, batch.second, batch, pads);
    }
    groups.fill(to, tokens, kPad);
    if (position_groups) position_groups->fill(to, positions, -1);
    if (type_groups) type_groups->fill(to, types, -1);
  }

  Sequences views(const at::Tensor& indices, int64_t longest) const {
    Sequences side;
    side.tokens = indices.narrow(0, tokens, rows);
    side.positions = indices.narrow(0, positions, rows);
    side.pass_rows = rows / passes;
    side.starts = indices.narrow(0, starts, sequences + 1);
    side.longest = longest;
    side.groups = groups.views(indices);
    if (position_groups) side.position_groups = position_groups->views(indices);
    if (type_groups) {
      side.types = indices.narrow(0, types, rows);
      side.type_groups = type_groups->views(indices);
    }
    // Attention on a device reads the starts; the host's offsets give it the number of sequences alone.
    side.offsets.assign(size_t(sequences + 1), 0);
    return side;
  }

 private:
  /// Writes tokens, positions, types and starts of pass 0 or 1.
  void fill_pass(int32_t* to, int64_t pass, const Packed& packed, const SideBatch& batch, int64_t pads) const {
    const int64_t pass_rows = rows / passes, pass_sequences = sequences / passes, first_row = pass * pass_rows;
    const int64_t count = packed.count(), size = packed.size(), missing = pass_rows - size;
    int32_t* begins = to + starts + pass * pass_sequences;
    for (int64_t i = 0; i <= count; ++i) begins[i] = int32_t(first_row) + packed.offsets[size_t(i)];
    for (int64_t i = 1; i <= pads; ++i) begins[count + i] = int32_t(first_row + size + missing * i / pads);
    std::fill(begins + count + pads + 1, begins + pass_sequences + 1, int32_t(first_row + pass_rows));
    int32_t* row_tokens = to + tokens + first_row;
    if (batch.shifted) {
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
    if (!type_groups) return;
    int32_t* row_types = to + types + first_row;
    std::fill(row_types, row_types + pass_rows, 0);
    std::copy(batch.types->begin(), batch.types->end(), row_types);
  }
};

/// The sides that a network reads: a decoder alone has its input in the batch's source.
struct Layout {
  Slices slices;
  SideLayout source;
  std::optional<SideLayout> target;  ///< of an encoder-decoder
  int64_t positions;                 ///< of a pass that the loss sees
  int64_t targets;

  Layout(const Bucket& bucket, const ModelConfig& config, int passes)
      : source(slices, passes, bucket.source_rows, bucket.sequences, config.learned_positions, config.token_types > 0),
        positions(!config.has_decoder() ? bucket.sequences
                  : config.has_both()   ? bucket.target_rows
                                        : bucket.source_rows) {
    if (config.has_both()) {
      target.emplace(slices, passes, bucket.target_rows, bucket.sequences, config.learned_positions, false);
    }
    targets = slices.take(positions);
  }
};

}  // namespace

DeviceInput::DeviceInput(Device& device, const Bucket& bucket, const ModelConfig& config, int passes)
    : bucket_(bucket), config_(config), passes_(passes) {
  const Layout layout(bucket, config, passes);
  indices_ = device.memory().empty({layout.slices.size()}, at::kInt);
  Sequences source = layout.source.views(indices_, bucket.longest);
  if (config.has_encoder()) {
    input_.source = std::move(source);
  } else {
    input_.target = std::move(source);
  }
  if (layout.target) input_.target = layout.target->views(indices_, bucket.longest);
  input_.targets = indices_.narrow(0, layout.targets, layout.positions);
  if (!config.has_decoder() && config.output == ModelConfig::Output::value) {
    input_.values = device.memory().empty({layout.positions}, at::kDouble);
  }
}

void DeviceInput::fill(Device& device, const PackedBatch& batch, int32_t ignored) {
  const Layout layout(bucket_, config_, passes_);
  const int64_t pads = pads_of(batch, bucket_);
  const Packed& second = batch.second_source.count() > 0 ? batch.second_source : batch.source;
  const auto write = [&](void* host) {
    auto* to = static_cast<int32_t*>(host);
    layout.source.fill(to, {batch.source, second, false, &batch.token_types}, pads);
    if (layout.target) layout.target->fill(to, {batch.target, batch.target, true, nullptr}, pads);
    std::copy(batch.target.tokens.begin(), batch.target.tokens.end(), to + layout.targets);
    std::fill(to + layout.targets + batch.target.size(), to + layout.targets + layout.positions, ignored);
  };
  device.memory().upload(size_t(layout.slices.size()) * sizeof(int32_t), write, indices_);
  if (!input_.values.defined()) return;
  const auto write_values = [&](void* host) {
    auto* to = static_cast<double*>(host);
    std::copy(batch.values.begin(), batch.values.end(), to);
    std::fill(to + batch.values.size(), to + layout.positions, std::numeric_limits<double>::quiet_NaN());
  };
  device.memory().upload(size_t(layout.positions) * sizeof(double), write_values, input_.values);
}

}  // namespace rdrop
