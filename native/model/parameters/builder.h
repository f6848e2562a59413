// Makes the parts of a network: each takes its room in the layout first, and is there once the buffers are.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/parameters/layout.h"

namespace rdrop {

/// What will be there when allocate() has run.
template <typename T>
using Later = std::function<T()>;

class Builder {
 public:
  /// device null: on the CPU.
  Builder(const ModelConfig& config, at::ScalarType type, Device* device)
      : config_(config), type_(type), device_(device) {}

  /// Where weight and bias of a linear layer lie.
  struct Room {
    Place weight, bias;
  };
  Room reserve_linear(int64_t rows, int64_t in);
  /// The layer in that room.
  Linear linear_at(const Room& room, int64_t rows, int64_t in) const;

  /// A matrix of embeddings; learned: of positions or token types, which have the type of a norm's gains.
  Later<Weight> embedding(const std::string& name, int64_t rows, bool padding_row, bool learned = false);
  Later<LayerNorm> norm(const std::string& name);
  /// A layer of `layers`. key_value: where those go that attend to the encoder; null: where they come.
  Later<Layer> layer(const std::string& prefix, int64_t layers, bool attends_to_source, const Room* key_value);
  Later<Head> head();

  /// Takes the memory and draws the first values.
  void allocate(uint64_t seed);

  const Layout& layout() const { return layout_; }
  at::Tensor flat() const { return flat_.narrow(0, 0, layout_.size()); }
  at::Tensor gradient() const { return gradient_.narrow(0, 0, layout_.size()); }
  at::Tensor compute_weights() const {
    return network_.is_same(flat_) ? at::Tensor() : network_.narrow(0, 0, layout_.size());
  }

 private:
  /// A [out,in] matrix and its bias made of equal parts, one a name. room: where they go; null: behind the last.
  Later<Linear> linear(const std::string& prefix, std::vector<std::string> parts, int64_t out, int64_t in, Start weight,
                       Start bias, const Room* room = nullptr);
  Place reserve_bias(int64_t size) { return config_.bias ? layout_.reserve(size) : layout_.reserve_apart(size); }

  Start normal_or(Start fairseq) const;
  Start zero_or(Start fairseq) const;
  Start projection() const;
  Start projection_bias() const;
  Start out_projection(int64_t layers) const;

  Later<SelfAttention> self_attention(const std::string& prefix, int64_t layers);
  Later<CrossAttention> cross_attention(const std::string& prefix, int64_t layers, const Room* key_value);
  Later<FeedForward> feed_forward(const std::string& prefix, int64_t layers);

  void move_to_device();
  Weight view(const at::Tensor& buffer, const Place& place, std::vector<int64_t> shape) const;

  const ModelConfig& config_;
  at::ScalarType type_;
  Device* device_;
  Layout layout_;
  at::Tensor flat_, gradient_;  // with what lies apart
  at::Tensor network_;          // what the network reads: flat_ or its 16-bit copy
};

}  // namespace rdrop
