// See text_decoder.h.
#include "generation/text_decoder.h"

#include <algorithm>

namespace rdrop {
namespace {

constexpr int64_t kGroupTexts = 64;
constexpr int64_t kGroupNumbers = int64_t{1} << 26;

}  // namespace

TextDecoder::TextDecoder(const Transformer& model) : model_(model) {
  if (model.device()) on_device_ = std::make_unique<DeviceDecoding>(model);
}

int64_t TextDecoder::group_size() const {
  const ModelConfig& config = model_.config();
  if (on_device_) return std::clamp<int64_t>(on_device_->most_rows(config.max_positions), 1, kGroupTexts);
  const int64_t a_text = config.max_positions * 3 * config.embed_dim * std::max<int64_t>(1, config.decoder_layers);
  return std::clamp<int64_t>(kGroupNumbers / a_text, 1, kGroupTexts);
}

int64_t TextDecoder::begin(int64_t rows, int64_t positions) {
  if (on_device_) return on_device_->begin(rows, positions);
  on_host_.emplace(model_, memory_);
  return positions;
}

at::Tensor TextDecoder::step(const std::vector<int32_t>& tokens, const std::vector<int32_t>& parents) {
  return on_device_ ? on_device_->step(tokens, parents) : on_host_->step(tokens, {}, parents);
}

void TextDecoder::advance(const std::vector<int32_t>& tokens, const std::vector<int32_t>& parents) {
  if (on_device_) {
    on_device_->advance(tokens, parents);
  } else {
    on_host_->advance(tokens, {}, parents);
  }
}

}  // namespace rdrop
