// See device_decoding.h.
#include "generation/device_decoding.h"

#include <algorithm>
#include <utility>

#include "core/errors.h"
#include "device/device.h"
#include "device/dispatch.h"

namespace rdrop {

DeviceDecoding::Memory::Memory(Device& device, Recorder& own_recorder, const Transformer& model, int64_t most_rows,
                               int64_t most_positions)
    : recorder(own_recorder),
      rows(most_rows),
      positions(most_positions),
      decoder(model, rows, positions),
      inputs(device.memory().empty({3 * rows + 1}, at::kInt)),
      ancestors(device.memory().empty({2, positions, rows}, at::kInt)),
      // Not rounded to 16 bits, where too many would be equal.
      logits(device.memory().empty({rows, model.config().vocab_size}, at::kFloat)),
      with_logits(recorder.add()),
      without(recorder.add()) {}

DeviceDecoding::Memory::~Memory() {
  recorder.remove(with_logits);
  recorder.remove(without);
}

DeviceDecoding::DeviceDecoding(const Transformer& model)
    : model_(model), device_(*model.device()), recorder_(device_, 2) {}

int64_t DeviceDecoding::most_rows(int64_t positions) const {
  return DeviceDecoder::most_cache_bytes(device_) /
         std::max<int64_t>(1, positions * DeviceDecoder::cache_bytes(model_));
}

int64_t DeviceDecoding::begin(int64_t rows, int64_t positions) {
  const DeviceScope scope(&device_, model_.tf32());
  const int64_t in_memory =
      DeviceDecoder::most_cache_bytes(device_) / std::max<int64_t>(1, rows * DeviceDecoder::cache_bytes(model_));
  const int64_t kept = std::min({positions, DeviceDecoder::most_positions(model_.config()), in_memory});
  if (kept < 1) return 0;
  const bool fits = memory_ && rows <= memory_->rows && memory_->rows <= 2 * rows && kept <= memory_->positions;
  if (!fits) {
    recorder_.with_room([&] {
      memory_.reset();  // its memory first
      memory_ = std::make_unique<Memory>(device_, recorder_, model_, rows, kept);
    });
  }
  length_ = 0;
  ancestors_.resize(size_t(memory_->positions * memory_->rows));
  for (size_t i = 0; i < ancestors_.size(); ++i) ancestors_[i] = int32_t(i % size_t(memory_->rows));
  for (int half : {0, 1}) {
    at::Tensor to = memory_->ancestors.select(0, half);
    device_.memory().upload(ancestors_.data(), ancestors_.size() * sizeof(int32_t), to);
    stale_[half] = false;
  }
  return kept;
}

void DeviceDecoding::follow(const std::vector<int32_t>& parents) {
  const size_t rows = size_t(memory_->rows);
  bool moved = false;
  for (size_t row = 0; row < parents.size(); ++row) moved = moved || parents[row] != int32_t(row);
  if (!moved) return;
  next_ = ancestors_;
  for (size_t position = 0; position < size_t(length_); ++position) {
    for (size_t row = 0; row < parents.size(); ++row)
      next_[position * rows + row] = ancestors_[position * rows + size_t(parents[row])];
  }
  ancestors_.swap(next_);
  stale_[0] = stale_[1] = true;
}

void DeviceDecoding::upload(const std::vector<int32_t>& tokens, const std::vector<int32_t>& parents) {
  if (length_ == memory_->positions || int64_t(tokens.size()) > memory_->rows)
    fail(ErrorCode::internal, "generation: more texts or tokens than there is memory for");
  follow(parents);
  const int64_t half = length_ % 2;
  if (stale_[half] && length_ > 0) {
    at::Tensor to = memory_->ancestors.select(0, half);
    device_.memory().upload(ancestors_.data(), size_t(length_ * memory_->rows) * sizeof(int32_t), to);
    stale_[half] = false;
  }
  const size_t rows = size_t(memory_->rows);
  inputs_.assign(3 * rows + 1, 0);
  std::fill_n(inputs_.begin(), rows, kEos);
  std::copy(tokens.begin(), tokens.end(), inputs_.begin());
  std::fill_n(inputs_.begin() + int64_t(rows), rows, int32_t(kPad + 1 + length_));
  std::fill_n(inputs_.begin() + 2 * int64_t(rows), tokens.size(), 1);
  inputs_[3 * rows] = int32_t(length_);
  device_.memory().upload(inputs_.data(), inputs_.size() * sizeof(int32_t), memory_->inputs);
}

/// Nothing that a step reads is what it writes, so that it can be run again where memory lacked.
void DeviceDecoding::run(bool with_logits) {
  Memory& m = *memory_;
  const int32_t* inputs = elements<int32_t>(m.inputs);
  const DecoderRows rows{inputs + 2 * m.rows, elements<int32_t>(m.ancestors), inputs + 3 * m.rows};
  const at::Tensor tokens = m.inputs.narrow(0, 0, m.rows), positions = m.inputs.narrow(0, m.rows, m.rows);
  recorder_.with_room([&] {
    recorder_.run(with_logits ? m.with_logits : m.without, [&] {
      if (with_logits) {
        m.decoder.step(rows, tokens, positions, m.logits);
      } else {
        m.decoder.states(rows, tokens, positions);
      }
    });
  });
  ++length_;
}

at::Tensor DeviceDecoding::step(const std::vector<int32_t>& tokens, const std::vector<int32_t>& parents) {
  const DeviceScope scope(&device_, model_.tf32());
  upload(tokens, parents);
  run(true);
  return device_.memory().download(memory_->logits.narrow(0, 0, int64_t(tokens.size())));
}

void DeviceDecoding::advance(const std::vector<int32_t>& tokens, const std::vector<int32_t>& parents) {
  const DeviceScope scope(&device_, model_.tf32());
  upload(tokens, parents);
  run(false);
}

}  // namespace rdrop
