// Initialization: fairseq/models/transformer and modules/multihead_attention.py; modeling_bert.py and modeling_gpt2.py
// of transformers.
#include "model/parameters/builder.h"

#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "core/dispatch.h"
#include "core/scratch.h"
#include "device/device.h"
#include "model/checked_size.h"

namespace rdrop {
namespace {

/// BERT's and GPT-2's standard deviation of every matrix.
constexpr double kSmallNormal = 0.02;

}  // namespace

Start Builder::normal_or(Start fairseq) const {
  return config_.initialization == ModelConfig::Initialization::fairseq ? fairseq : Start{Start::normal, kSmallNormal};
}

Start Builder::zero_or(Start fairseq) const {
  return config_.initialization == ModelConfig::Initialization::fairseq ? fairseq : Start{Start::zero, 0};
}

/// q, k and v: Xavier-uniform with gain 1/√2 over each [D,D], biases as torch.nn.Linear; out: Xavier-uniform, bias 0.
Start Builder::projection() const {
  return normal_or({Start::uniform, std::sqrt(3.0 / double(config_.embed_dim)) / std::sqrt(2.0)});
}

Start Builder::projection_bias() const {
  return zero_or({Start::uniform, 1.0 / std::sqrt(double(config_.embed_dim))});
}

Start Builder::out_projection(int64_t layers) const {
  Start start = normal_or({Start::uniform, std::sqrt(3.0 / double(config_.embed_dim))});
  if (config_.initialization == ModelConfig::Initialization::gpt2) start.scale /= std::sqrt(2.0 * double(layers));
  return start;
}

Builder::Room Builder::reserve_linear(int64_t rows, int64_t in) {
  const Place weight = layout_.reserve(checked_product({rows, in}, "model configuration: a matrix"));
  return {weight, reserve_bias(rows)};
}

Linear Builder::linear_at(const Room& room, int64_t rows, int64_t in) const {
  Linear layer{view(network_, room.weight, {rows, in}), {}};
  // A device's products with an activation want a bias, be it of zeros.
  if (config_.bias || device_) layer.bias = view(network_, room.bias, {rows});
  return layer;
}

Later<Linear> Builder::linear(const std::string& prefix, std::vector<std::string> parts, int64_t out, int64_t in,
                              Start weight, Start bias, const Room* room) {
  Layout::Pieces weights, biases;
  for (const auto& part : parts) {
    weights.emplace_back(prefix + part + ".weight", weight);
    biases.emplace_back(prefix + part + ".bias", bias);
  }
  const int64_t rows = checked_product({out, int64_t(parts.size())}, "model configuration: a matrix");
  Room place{
      room ? layout_.add_at(room->weight, std::move(weights), out, in) : layout_.add(std::move(weights), out, in),
      room ? room->bias : Place{}};
  if (!room) place.bias = reserve_bias(rows);
  if (config_.bias) layout_.add_at(place.bias, std::move(biases), out, 0);
  return [=, this] { return linear_at(place, rows, in); };
}

Later<LayerNorm> Builder::norm(const std::string& name) {
  const int64_t d = config_.embed_dim;
  const Place gamma = layout_.add({{name + ".weight", {Start::one, 0}}}, d, 0);
  const Place beta = reserve_bias(d);
  if (config_.bias) layout_.add_at(beta, {{name + ".bias", {Start::zero, 0}}}, d, 0);
  return [=, this] { return LayerNorm{view(flat_, gamma, {d}), view(flat_, beta, {d}), config_.norm_epsilon}; };
}

Later<SelfAttention> Builder::self_attention(const std::string& prefix, int64_t layers) {
  const int64_t d = config_.embed_dim;
  auto qkv = linear(prefix + "self_attn.", {"q_proj", "k_proj", "v_proj"}, d, d, projection(), projection_bias());
  auto out = linear(prefix + "self_attn.", {"out_proj"}, d, d, out_projection(layers), {Start::zero, 0});
  auto after = norm(prefix + "self_attn_layer_norm");
  return [=] { return SelfAttention{qkv(), out(), after()}; };
}

Later<CrossAttention> Builder::cross_attention(const std::string& prefix, int64_t layers, const Room* key_value_room) {
  const int64_t d = config_.embed_dim;
  auto query = linear(prefix + "encoder_attn.", {"q_proj"}, d, d, projection(), projection_bias());
  auto key_value =
      linear(prefix + "encoder_attn.", {"k_proj", "v_proj"}, d, d, projection(), projection_bias(), key_value_room);
  auto out = linear(prefix + "encoder_attn.", {"out_proj"}, d, d, out_projection(layers), {Start::zero, 0});
  auto after = norm(prefix + "encoder_attn_layer_norm");
  return [=] { return CrossAttention{query(), key_value(), out(), after()}; };
}

/// fc1 and fc2: the default of torch.nn.Linear, uniform within ±1/√in for weight and bias.
Later<FeedForward> Builder::feed_forward(const std::string& prefix, int64_t layers) {
  const int64_t d = config_.embed_dim, f = config_.ffn_dim;
  const Start wide{Start::uniform, 1.0 / std::sqrt(double(d))}, narrow{Start::uniform, 1.0 / std::sqrt(double(f))};
  Start last = normal_or(narrow);
  if (config_.initialization == ModelConfig::Initialization::gpt2) last.scale /= std::sqrt(2.0 * double(layers));
  auto fc1 = linear(prefix, {"fc1"}, f, d, normal_or(wide), zero_or(wide));
  auto fc2 = linear(prefix, {"fc2"}, d, f, last, zero_or(narrow));
  auto after = norm(prefix + "final_layer_norm");
  return [=] { return FeedForward{fc1(), fc2(), after()}; };
}

Later<Layer> Builder::layer(const std::string& prefix, int64_t layers, bool attends_to_source, const Room* key_value) {
  auto self = self_attention(prefix, layers);
  Later<CrossAttention> cross = [] { return CrossAttention{}; };
  if (attends_to_source) cross = cross_attention(prefix, layers, key_value);
  auto forward = feed_forward(prefix, layers);
  return [=] { return Layer{self(), cross(), forward()}; };
}

Later<Head> Builder::head() {
  const std::string prefix = "classification_heads.sentence_classification_head.";
  const int64_t d = config_.embed_dim;
  const Start wide{Start::uniform, 1.0 / std::sqrt(double(d))};
  Later<Linear> dense = [] { return Linear{}; };
  if (config_.pooler != ModelConfig::Pooler::none) {
    dense = linear(prefix, {"dense"}, d, d, normal_or(wide), zero_or(wide));
  }
  auto out = linear(prefix, {"out_proj"}, config_.outputs, d, normal_or(wide), zero_or(wide));
  return [=] { return Head{dense(), out()}; };
}

Later<Weight> Builder::embedding(const std::string& name, int64_t rows, bool padding_row, bool learned) {
  const int64_t d = config_.embed_dim;
  const Start start = normal_or({Start::normal, 1.0 / std::sqrt(double(d))});
  const Place place = layout_.add({{name, start}}, rows, d, padding_row);
  return [=, this] { return view(learned ? flat_ : network_, place, {rows, d}); };
}

void Builder::allocate(uint64_t seed) {
  const at::ScalarType master = device_ ? at::kFloat : wide_type(type_);
  flat_ = lasting_zeros(layout_.whole_size(), master);
  dispatch_floating(flat_, [&](auto zero) {
    using T = decltype(zero);
    T* data = flat_.mutable_data_ptr<T>();
    for (const Piece& piece : layout_.pieces()) initialize(data + piece.slice.offset, piece, seed);
  });
  if (device_) {
    move_to_device();
  } else {
    gradient_ = lasting_zeros(layout_.whole_size(), master);
    network_ = type_ == master ? flat_ : flat_.to(type_);
  }
}

void Builder::move_to_device() {
  const at::Tensor host = flat_;
  flat_ = device_->memory().empty(host.sizes(), at::kFloat);
  device_->memory().upload(host.const_data_ptr(), host.nbytes(), flat_);
  gradient_ = device_->memory().empty(host.sizes(), at::kFloat);
  device_->memory().zero(gradient_);
  network_ = flat_;
  if (type_ != at::kFloat) {
    network_ = device_->memory().empty(host.sizes(), type_);
    device_->memory().copy(flat_, network_);
  }
}

Weight Builder::view(const at::Tensor& buffer, const Place& place, std::vector<int64_t> shape) const {
  const int64_t size = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  const int64_t offset = layout_.offset_of(place);
  return {buffer.narrow(0, offset, size).view(shape), gradient_.narrow(0, offset, size).view(shape)};
}

}  // namespace rdrop
