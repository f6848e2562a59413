// The decoder one token at a time, keys and values cached. R rows (hypotheses) that all have the same length,
// S source tokens of all sentences, D width, V types, L layers.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/transformer.h"

namespace rdrop {

class IncrementalDecoder {
 public:
  /// Encodes the sources.
  IncrementalDecoder(const Transformer& model, const Packed& sources);

  /// Appends a token to each row and returns the logits [R,V] of the next. sentences [R]: the source of each
  /// row. parents [R]: the row of the previous call that each row continues (any number may share one); empty
  /// at the start.
  at::Tensor step(const std::vector<int32_t>& tokens, const std::vector<int32_t>& sentences,
                  const std::vector<int32_t>& parents);

 private:
  void reorder(const std::vector<int32_t>& parents, int64_t rows);
  State self_attention(const State& state, const SelfAttention& weights, const LayerNorm& norm, at::Tensor& cache);
  State cross_attention(const State& state, const CrossAttention& weights, const LayerNorm& norm,
                        const at::Tensor& key_value, const AttentionShape& shape) const;
  State feed_forward(const State& state, const FeedForward& weights, const LayerNorm& norm) const;

  const Transformer& model_;
  bool pre_norm_;
  std::vector<int32_t> source_offsets_;
  std::vector<at::Tensor> memory_;  // L × [S,2D]: keys and values of the sources
  std::vector<at::Tensor> cache_;   // L × [R,capacity,2D]: keys and values of the hypotheses
  int64_t length_ = 0;              ///< tokens that each row of the cache holds
};

}  // namespace rdrop
