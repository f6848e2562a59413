// The order of the parameters in their buffer, and access to parts of them.
#include "model/parameters.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "core/errors.h"
#include "device/device.h"
#include "model/checked_size.h"
#include "model/parameters/builder.h"
#include "model/tensors.h"

namespace rdrop {

int64_t NamedSlice::size() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

namespace {

/// What is added to token embeddings. table: of the tokens.
Later<Embedding> embedding_of(Builder& build, const ModelConfig& config, const std::string& stack, Later<Weight> table,
                              int64_t token_types) {
  Later<Weight> positions = [] { return Weight{}; }, types = positions;
  Later<LayerNorm> norm = [] { return LayerNorm{}; };
  if (config.learned_positions) {
    const int64_t rows = checked_sum(config.max_positions, kPad + 1, "maxPositions");
    positions = build.embedding(stack + ".embed_positions.weight", rows, true, true);
  }
  if (token_types > 0) types = build.embedding(stack + ".embed_token_types.weight", token_types, false, true);
  if (config.embedding_norm) norm = build.norm(stack + ".layernorm_embedding");
  return [=, scale = config.embedding_scale()] {
    const Weight learned = positions();
    return Embedding{table(), learned, learned.value, types(), norm(), scale};
  };
}

std::vector<Layer> made(const std::vector<Later<Layer>>& layers) {
  std::vector<Layer> result;
  for (const auto& layer : layers) result.push_back(layer());
  return result;
}

}  // namespace

/// The embeddings come first, then the layers in the order of the forward pass, each stack with its last norm, then the
/// head: a backward pass finishes the buffer from its end.
Parameters::Parameters(const ModelConfig& config, at::ScalarType type, uint64_t seed, Device* device) {
  using Share = ModelConfig::Share;
  const bool both = config.has_both();
  Builder build(config, type, device);
  Later<Weight> source, target, projection;
  if (config.has_encoder()) source = build.embedding("encoder.embed_tokens.weight", config.source_vocab_size, true);
  if (config.has_decoder()) {
    target = both && config.share_embeddings == Share::all
                 ? source
                 : build.embedding("decoder.embed_tokens.weight", config.vocab_size, true);
    projection = config.share_embeddings == Share::none
                     ? build.embedding("decoder.output_projection.weight", config.vocab_size, false)
                     : target;
  }
  Later<Embedding> source_embedding, target_embedding;
  if (config.has_encoder()) source_embedding = embedding_of(build, config, "encoder", source, config.token_types);
  if (config.has_decoder()) target_embedding = embedding_of(build, config, "decoder", target, 0);

  Later<LayerNorm> last_encoder_norm = [] { return LayerNorm{}; }, last_decoder_norm = last_encoder_norm;
  std::vector<Later<Layer>> encoder_layers, decoder_layers;
  if (config.has_encoder()) {
    for (int64_t i = 0; i < config.encoder_layers; ++i) {
      const std::string prefix = "encoder.layers." + std::to_string(i) + ".";
      encoder_layers.push_back(build.layer(prefix, config.encoder_layers, false, nullptr));
    }
    if (config.pre_norm) last_encoder_norm = build.norm("encoder.layer_norm");
  }
  const int64_t d = config.embed_dim, all_keys = 2 * checked_product({d, config.decoder_layers}, "decoderLayers");
  const bool keys_together = device && both && config.decoder_layers > 0;
  Builder::Room keys_room{};
  if (keys_together) keys_room = build.reserve_linear(all_keys, d);
  if (config.has_decoder()) {
    for (int64_t i = 0; i < config.decoder_layers; ++i) {
      const std::string prefix = "decoder.layers." + std::to_string(i) + ".";
      const Builder::Room own_room{keys_room.weight + 2 * d * d * i, keys_room.bias + 2 * d * i};
      decoder_layers.push_back(build.layer(prefix, config.decoder_layers, both, keys_together ? &own_room : nullptr));
    }
    if (config.pre_norm) last_decoder_norm = build.norm("decoder.layer_norm");
  }
  Later<Head> last_head;
  if (!config.has_decoder()) last_head = build.head();

  build.allocate(seed);
  flat = build.flat();
  gradient = build.gradient();
  compute_weights = build.compute_weights();
  for (const Piece& piece : build.layout().pieces()) {
    names.push_back(piece.slice);
    count += piece.slice.size();
  }
  if (keys_together) source_keys = build.linear_at(keys_room, all_keys, d);
  if (config.has_encoder()) encoder = {source_embedding(), made(encoder_layers), last_encoder_norm()};
  if (config.has_decoder()) {
    decoder = {target_embedding(), made(decoder_layers), last_decoder_norm()};
    output_projection = projection();
  } else {
    head = last_head();
  }
}

void Parameters::refresh_copy() {
  if (compute_weights.defined()) copy_tensor(flat, compute_weights);
}

const NamedSlice& Parameters::find(const std::string& name) const {
  const auto found =
      std::find_if(names.begin(), names.end(), [&](const NamedSlice& slice) { return slice.name == name; });
  if (found == names.end()) fail(ErrorCode::checkpoint_mismatch, "parameter ", name, " is unknown to this model");
  return *found;
}

void Parameters::write(const ParameterRange& range, const at::Tensor& values) {
  write_range(range, values, flat);
  if (!compute_weights.defined()) return;
  const Slice at = place_of(range);
  copy_tensor(flat.narrow(0, at.begin, at.size), compute_weights.narrow(0, at.begin, at.size));
}

at::Tensor Parameters::read_range(const ParameterRange& range, const at::Tensor& buffer) const {
  const Slice at = place_of(range);
  return host_copy(buffer.narrow(0, at.begin, at.size));
}

void Parameters::write_range(const ParameterRange& range, const at::Tensor& values, at::Tensor& buffer) const {
  const Slice at = place_of(range);
  if (values.numel() != at.size) {
    fail(ErrorCode::checkpoint_mismatch, "parameter ", range.name, ": expected ", at.size, " numbers, got ",
         values.numel());
  }
  if (values.scalar_type() != buffer.scalar_type()) {
    fail(ErrorCode::checkpoint_mismatch, "parameter ", range.name, ": expected ", c10::toString(buffer.scalar_type()),
         ", got ", c10::toString(values.scalar_type()));
  }
  at::Tensor to = buffer.narrow(0, at.begin, at.size);
  if (Device* device = current_device()) return device->memory().upload(values.const_data_ptr(), values.nbytes(), to);
  to.copy_(values);
}

Parameters::Slice Parameters::place_of(const ParameterRange& range) const {
  const NamedSlice& slice = find(range.name);
  if (range.begin < 0 || range.end < range.begin || range.end > slice.size()) {
    fail(ErrorCode::invalid_argument, "parameter ", range.name, ": expected a range within its ", slice.size(),
         " numbers, got ", range.begin, " to ", range.end);
  }
  return {slice.offset + range.begin, range.end - range.begin};
}

at::Tensor Parameters::value_of(const NamedSlice& slice) const {
  return flat.narrow(0, slice.offset, slice.size()).view(slice.shape);
}

at::Tensor Parameters::gradient_of(const NamedSlice& slice) const {
  return gradient.narrow(0, slice.offset, slice.size()).view(slice.shape);
}

}  // namespace rdrop
