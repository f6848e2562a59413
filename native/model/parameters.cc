// Layout and initialization of the parameters: fairseq/models/transformer and modules/multihead_attention.py.
#include "model/parameters.h"

#include <ATen/ops/zeros.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "device/device.h"
#include "core/errors.h"
#include "model/checked_size.h"
#include "model/tensors.h"
#include "core/dispatch.h"
#include "core/philox.h"

namespace rdrop {

int64_t NamedSlice::size() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

namespace {

/// How a parameter starts.
struct Start {
  enum Kind { zero, one, uniform, normal } kind;
  double scale;  ///< half the width of the uniform distribution; standard deviation of the normal one
};

struct Piece {
  NamedSlice slice;
  Start start;
  bool padding_row;  ///< an embedding, whose row of the padding token is zero
};

/// Collects the slices first; the buffers are allocated once their size is known.
class Layout {
 public:
  using Pieces = std::vector<std::pair<std::string, Start>>;

  /// Reserves [rows of all pieces, columns]; columns 0 stands for a vector. Returns the offset.
  int64_t add(Pieces pieces, int64_t rows, int64_t columns, bool padding_row = false) {
    const int64_t size = checked_product({int64_t(pieces.size()), rows, columns ? columns : 1}, "a parameter");
    return add_at(reserve(size), std::move(pieces), rows, columns, padding_row);
  }
  /// The same where room was reserved.
  int64_t add_at(int64_t begin, Pieces pieces, int64_t rows, int64_t columns, bool padding_row = false) {
    int64_t offset = begin;
    for (auto& [name, start] : pieces) {
      pieces_.push_back(
          {{std::move(name), offset, columns ? std::vector<int64_t>{rows, columns} : std::vector<int64_t>{rows}},
           start,
           padding_row});
      offset += pieces_.back().slice.size();
    }
    return begin;
  }
  /// Room for `size` numbers. Returns the offset.
  int64_t reserve(int64_t size) {
    const int64_t begin = size_;
    size_ = checked_sum(size_, size, "model configuration: the parameters");
    size_ = checked_sum(size_, 15, "model configuration: the parameters") / 16 * 16;
    return begin;
  }
  int64_t size() const { return size_; }
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  int64_t size_ = 0;
  std::vector<Piece> pieces_;
};

/// FNV-1a, so that the stream of a parameter hangs on its name alone.
uint64_t hash_of(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (unsigned char c : name) hash = (hash ^ c) * 0x100000001b3u;
  return hash;
}

template <typename T>
void initialize(T* out, const Piece& piece, uint64_t seed) {
  const uint64_t key = portable::stream_key(seed, StreamRole::initialization);
  const uint64_t stream = hash_of(piece.slice.name);
  const int64_t size = piece.slice.size();
  for (int64_t i = 0; i < size; i += 4) {
    uint32_t word[4];
    portable::philox4x32(uint32_t(i / 4), uint32_t(uint64_t(i / 4) >> 32), uint32_t(stream), uint32_t(stream >> 32),
                         uint32_t(key), uint32_t(key >> 32), word, word + 1, word + 2, word + 3);
    double sample[4];
    if (piece.start.kind == Start::normal) {  // Box-Muller
      for (int pair = 0; pair < 4; pair += 2) {
        const double radius = std::sqrt(-2.0 * std::log((word[pair] + 0.5) * 0x1p-32));
        const double angle = 6.283185307179586477 * (word[pair + 1] * 0x1p-32);
        sample[pair] = radius * std::cos(angle) * piece.start.scale;
        sample[pair + 1] = radius * std::sin(angle) * piece.start.scale;
      }
    } else {
      for (int k = 0; k < 4; ++k) sample[k] = ((word[k] + 0.5) * 0x1p-31 - 1.0) * piece.start.scale;
    }
    for (int64_t k = i; k < std::min(i + 4, size); ++k) out[k] = T(sample[k - i]);
  }
}

class Builder {
 public:
  Builder(const ModelConfig& config, at::ScalarType type, Device* device)
      : config_(config), type_(type), device_(device) {}

  /// Where weight and bias of a linear layer lie in the flat buffer.
  struct Room {
    int64_t weight, bias;
  };

  /// A [out,in] matrix and its bias made of equal parts, one a name. room: where they go; null: behind the last.
  auto linear(const std::string& prefix, std::vector<std::string> parts, int64_t out, int64_t in, Start weight,
              Start bias, const Room* room = nullptr) {
    Layout::Pieces weights, biases;
    for (const auto& part : parts) {
      weights.emplace_back(prefix + part + ".weight", weight);
      biases.emplace_back(prefix + part + ".bias", bias);
    }
    const int64_t rows = checked_product({out, int64_t(parts.size())}, "model configuration: a matrix");
    const int64_t w =
        room ? layout_.add_at(room->weight, std::move(weights), out, in) : layout_.add(std::move(weights), out, in);
    const int64_t b =
        room ? layout_.add_at(room->bias, std::move(biases), out, 0) : layout_.add(std::move(biases), out, 0);
    return [=, this] { return linear_at({w, b}, rows, in); };
  }

  Room reserve_linear(int64_t rows, int64_t in) {
    const int64_t weight = layout_.reserve(checked_product({rows, in}, "model configuration: a matrix"));
    return {weight, layout_.reserve(rows)};
  }
  Linear linear_at(const Room& room, int64_t rows, int64_t in) const {
    return {view(network_, room.weight, {rows, in}), view(network_, room.bias, {rows})};
  }

  auto norm(const std::string& name) {
    const int64_t d = config_.embed_dim;
    const int64_t gamma = layout_.add({{name + ".weight", {Start::one, 0}}}, d, 0);
    const int64_t beta = layout_.add({{name + ".bias", {Start::zero, 0}}}, d, 0);
    return [=, this] { return LayerNorm{view(flat_, gamma, {d}), view(flat_, beta, {d})}; };
  }

  /// q, k and v: Xavier-uniform with gain 1/√2 over each [D,D], biases as torch.nn.Linear; out:
  /// Xavier-uniform, bias 0.
  Start projection() const { return {Start::uniform, std::sqrt(3.0 / double(config_.embed_dim)) / std::sqrt(2.0)}; }
  Start projection_bias() const { return {Start::uniform, 1.0 / std::sqrt(double(config_.embed_dim))}; }
  Start out_projection() const { return {Start::uniform, std::sqrt(3.0 / double(config_.embed_dim))}; }

  auto self_attention(const std::string& prefix) {
    const int64_t d = config_.embed_dim;
    auto qkv = linear(prefix + "self_attn.", {"q_proj", "k_proj", "v_proj"}, d, d, projection(), projection_bias());
    auto out = linear(prefix + "self_attn.", {"out_proj"}, d, d, out_projection(), {Start::zero, 0});
    auto after = norm(prefix + "self_attn_layer_norm");
    return [=] { return SelfAttention{qkv(), out(), after()}; };
  }

  /// key_value: where those go; null: where they come.
  auto cross_attention(const std::string& prefix, const Room* key_value_room) {
    const int64_t d = config_.embed_dim;
    auto query = linear(prefix + "encoder_attn.", {"q_proj"}, d, d, projection(), projection_bias());
    auto key_value =
        linear(prefix + "encoder_attn.", {"k_proj", "v_proj"}, d, d, projection(), projection_bias(), key_value_room);
    auto out = linear(prefix + "encoder_attn.", {"out_proj"}, d, d, out_projection(), {Start::zero, 0});
    auto after = norm(prefix + "encoder_attn_layer_norm");
    return [=] { return CrossAttention{query(), key_value(), out(), after()}; };
  }

  /// fc1 and fc2: the default of torch.nn.Linear, uniform within ±1/√in for weight and bias.
  auto feed_forward(const std::string& prefix) {
    const int64_t d = config_.embed_dim, f = config_.ffn_dim;
    const Start wide{Start::uniform, 1.0 / std::sqrt(double(d))}, narrow{Start::uniform, 1.0 / std::sqrt(double(f))};
    auto fc1 = linear(prefix, {"fc1"}, f, d, wide, wide);
    auto fc2 = linear(prefix, {"fc2"}, d, f, narrow, narrow);
    auto after = norm(prefix + "final_layer_norm");
    return [=] { return FeedForward{fc1(), fc2(), after()}; };
  }

  auto embedding(const std::string& name, int64_t types, bool padding_row) {
    const int64_t d = config_.embed_dim;
    const int64_t offset = layout_.add({{name, {Start::normal, 1.0 / std::sqrt(double(d))}}}, types, d, padding_row);
    return [=, this] { return view(network_, offset, {types, d}); };
  }

  Layout& layout() { return layout_; }

  void allocate(uint64_t seed) {
    const at::ScalarType master = device_ ? at::kFloat : wide_type(type_);
    flat_ = at::zeros({layout_.size()}, at::TensorOptions(master));
    dispatch_floating(flat_, [&](auto zero) {
      using T = decltype(zero);
      T* data = flat_.mutable_data_ptr<T>();
      for (const Piece& piece : layout_.pieces()) {
        T* out = data + piece.slice.offset;
        if (piece.start.kind == Start::one) std::fill_n(out, piece.slice.size(), T(1));
        if (piece.start.kind == Start::uniform || piece.start.kind == Start::normal) initialize(out, piece, seed);
        if (piece.padding_row) std::fill_n(out + kPad * config_.embed_dim, config_.embed_dim, T(0));
      }
    });
    if (device_) {
      move_to_device();
    } else {
      gradient_ = at::zeros({layout_.size()}, at::TensorOptions(master));
      network_ = type_ == master ? flat_ : flat_.to(type_);
    }
  }

  const at::Tensor& flat() const { return flat_; }
  const at::Tensor& gradient() const { return gradient_; }
  at::Tensor compute_weights() const { return network_.is_same(flat_) ? at::Tensor() : network_; }

 private:
  void move_to_device() {
    const at::Tensor host = flat_;
    flat_ = device_->memory().empty({layout_.size()}, at::kFloat);
    device_->memory().upload(host.const_data_ptr(), host.nbytes(), flat_);
    gradient_ = device_->memory().empty({layout_.size()}, at::kFloat);
    device_->memory().zero(gradient_);
    network_ = flat_;
    if (type_ != at::kFloat) {
      network_ = device_->memory().empty({layout_.size()}, type_);
      device_->memory().copy(flat_, network_);
    }
  }

  Weight view(const at::Tensor& buffer, int64_t offset, std::vector<int64_t> shape) const {
    const int64_t size = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
    return {buffer.narrow(0, offset, size).view(shape), gradient_.narrow(0, offset, size).view(shape)};
  }

  const ModelConfig& config_;
  at::ScalarType type_;
  Device* device_;
  Layout layout_;
  at::Tensor flat_, gradient_;
  at::Tensor network_;  // what the network reads: flat_ or its 16-bit copy
};

}  // namespace

Parameters::Parameters(const ModelConfig& config, at::ScalarType type, uint64_t seed, Device* device) {
  using Share = ModelConfig::Share;
  Builder build(config, type, device);
  std::vector<std::function<Weight()>> embeddings;
  embeddings.push_back(build.embedding("encoder.embed_tokens.weight", config.source_vocab_size, true));
  if (config.share_embeddings != Share::all) {
    embeddings.push_back(build.embedding("decoder.embed_tokens.weight", config.vocab_size, true));
  }
  if (config.share_embeddings == Share::none) {
    embeddings.push_back(build.embedding("decoder.output_projection.weight", config.vocab_size, false));
  }

  std::vector<std::function<EncoderLayer()>> encoder_layers;
  for (int64_t i = 0; i < config.encoder_layers; ++i) {
    const std::string prefix = "encoder.layers." + std::to_string(i) + ".";
    auto self_attention = build.self_attention(prefix);
    auto feed_forward = build.feed_forward(prefix);
    encoder_layers.push_back([=] { return EncoderLayer{self_attention(), feed_forward()}; });
  }
  std::function<LayerNorm()> last_encoder_norm;
  if (config.pre_norm) last_encoder_norm = build.norm("encoder.layer_norm");
  const int64_t d = config.embed_dim, all_keys = 2 * checked_product({d, config.decoder_layers}, "decoderLayers");
  Builder::Room keys_room{};
  if (device) keys_room = build.reserve_linear(all_keys, d);
  std::vector<std::function<DecoderLayer()>> decoder_layers;
  for (int64_t i = 0; i < config.decoder_layers; ++i) {
    const std::string prefix = "decoder.layers." + std::to_string(i) + ".";
    auto self_attention = build.self_attention(prefix);
    const Builder::Room own_room{keys_room.weight + 2 * d * d * i, keys_room.bias + 2 * d * i};
    auto cross_attention = build.cross_attention(prefix, device ? &own_room : nullptr);
    auto feed_forward = build.feed_forward(prefix);
    decoder_layers.push_back([=] { return DecoderLayer{self_attention(), cross_attention(), feed_forward()}; });
  }
  std::function<LayerNorm()> last_decoder_norm;
  if (config.pre_norm) last_decoder_norm = build.norm("decoder.layer_norm");

  build.allocate(seed);
  flat = build.flat();
  gradient = build.gradient();
  compute_weights = build.compute_weights();
  for (const Piece& piece : build.layout().pieces()) {
    names.push_back(piece.slice);
    count += piece.slice.size();
  }
  if (device && config.decoder_layers > 0) source_keys = build.linear_at(keys_room, all_keys, d);
  source_embedding = embeddings.front()();
  target_embedding = config.share_embeddings == Share::all ? source_embedding : embeddings[1]();
  output_projection = config.share_embeddings == Share::none ? embeddings[2]() : target_embedding;
  for (auto& layer : encoder_layers) encoder.push_back(layer());
  for (auto& layer : decoder_layers) decoder.push_back(layer());
  if (config.pre_norm) {
    encoder_norm = last_encoder_norm();
    decoder_norm = last_decoder_norm();
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
