// The network of a language model one token at a time, keys and values cached where the model lives. R rows (texts that
// go on) that all have the same length, V types.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

#include "generation/device_decoding.h"
#include "translation/incremental_decoder.h"

namespace rdrop {

class TextDecoder {
 public:
  /// The model's network is a decoder alone, and outlives this.
  explicit TextDecoder(const Transformer& model);

  /// Texts that go on together: enough rows to fill a matrix product, and keys and values that stay in memory.
  int64_t group_size() const;

  /// Begins anew, for at most `rows` rows of at most `positions` tokens, no more than the network can see. Returns how
  /// many tokens of a text can be read this way; the rest of it is to be read without a cache.
  int64_t begin(int64_t rows, int64_t positions);

  /// Appends a token to each row and returns the logits [R,V] of the next, on the CPU, float32 or the masters' float64.
  /// parents [R]: the row of the previous call that each row continues (any number may share one); empty at the start.
  /// The logits are overwritten by the next call.
  at::Tensor step(const std::vector<int32_t>& tokens, const std::vector<int32_t>& parents);
  /// The same without the logits: for tokens that are given.
  void advance(const std::vector<int32_t>& tokens, const std::vector<int32_t>& parents);

 private:
  const Transformer& model_;
  DecoderMemory memory_;
  std::optional<IncrementalDecoder> on_host_;
  std::unique_ptr<DeviceDecoding> on_device_;  // null: the model is on the CPU
};

}  // namespace rdrop
