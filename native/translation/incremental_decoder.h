// The decoder one token at a time, keys and values cached. R rows (hypotheses, or texts that go on) that all have the
// same length, S source tokens of all sentences, D width, V types, L layers.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/packed_weights.h"
#include "model/transformer.h"

namespace rdrop {

/// Memory of a decoder, which the next one takes over: what is big is not handed back to the system between steps.
struct DecoderMemory {
  std::vector<std::vector<at::Tensor>> projected;  // L × positions × [most R,3D]: queries, keys and values
  at::Tensor logits;                               // [most R,V], float32 where the model is bfloat16
  PackedWeights weights;                           // of the decoder, which stay as they are for that long
};

class IncrementalDecoder {
 public:
  /// Encodes the sources. `memory` must outlive the decoder and serves one at a time.
  IncrementalDecoder(const Transformer& model, const Packed& sources, DecoderMemory& memory);
  /// Of a network without an encoder.
  IncrementalDecoder(const Transformer& model, DecoderMemory& memory);

  /// Appends a token to each row and returns the logits [R,V] of the next. sentences [R]: the source of each
  /// row. parents [R]: the row of the previous call that each row continues (any number may share one); empty
  /// at the start.
  /// The logits are overwritten by the next call. sentences of a network without an encoder: empty.
  at::Tensor step(const std::vector<int32_t>& tokens, const std::vector<int32_t>& sentences,
                  const std::vector<int32_t>& parents);
  /// The same without the logits: for tokens that are given.
  void advance(const std::vector<int32_t>& tokens, const std::vector<int32_t>& sentences,
               const std::vector<int32_t>& parents) {
    states(tokens, sentences, parents);
  }

 private:
  /// The last states [R,D].
  at::Tensor states(const std::vector<int32_t>& tokens, const std::vector<int32_t>& sentences,
                    const std::vector<int32_t>& parents);
  void reorder(const std::vector<int32_t>& parents, int64_t rows);
  State self_attention(const State& state, const SelfAttention& weights, const LayerNorm& norm, size_t layer);
  State cross_attention(const State& state, const CrossAttention& weights, const LayerNorm& norm,
                        const at::Tensor& key_value) const;
  State feed_forward(const State& state, const FeedForward& weights, const LayerNorm& norm) const;

  const Transformer& model_;
  DecoderMemory& memory_;
  bool pre_norm_;
  std::vector<int32_t> source_offsets_;
  std::vector<at::Tensor> sources_;                 // L × [S,2D]: keys and values of the sources; or none
  std::vector<std::vector<at::Tensor>> history_;    // L × positions × [R,2D]: keys and values of the hypotheses
  std::vector<int32_t> source_begin_, source_end_;  // [R]
  // Keys and values stay where they were computed; ancestors [R, ancestor_stride_] gives for each position the row
  // that held it.
  std::vector<int32_t> ancestors_, next_ancestors_;
  int64_t ancestor_stride_;
  int64_t length_ = 0;  ///< positions that the history holds
};

}  // namespace rdrop
