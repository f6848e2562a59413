// The decoder on a device, one token at a time: keys and values stay where they were written, and each row knows by its
// ancestors where its own lie. A step is the same launches whatever the position, so that it can be recorded. N
// sentences of W beams are R rows, or R texts of a network without an encoder; L positions, S source tokens of all
// sentences, D width, V types.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/transformer.h"

namespace rdrop {

/// What a step asks about the rows; on the device.
struct DecoderRows {
  const int32_t* live;       // [R] whether the row is in use
  const int32_t* ancestors;  // [2,L,R] as in BeamSearchState
  const int32_t* length;     // [1] positions before this one
};

class DeviceDecoder {
 public:
  /// Memory for so many sentences and source tokens, none longer than longest_source. The device must be in scope.
  DeviceDecoder(const Transformer& model, int64_t sentences, int64_t beam, int64_t positions, int64_t source_tokens,
                int64_t longest_source);
  /// Of a network without an encoder: memory for so many rows.
  DeviceDecoder(const Transformer& model, int64_t rows, int64_t positions);

  /// Encodes the sources, at most as many as there is memory for.
  void load(const Packed& sources);

  /// Reads the next token of each row in use and writes the logits [R,V], float32, of the one after.
  void step(const DecoderRows& rows, const at::Tensor& tokens, const at::Tensor& positions, at::Tensor& logits);
  /// The same without the logits: for tokens that are given. Returns the last states [R,D].
  at::Tensor states(const DecoderRows& rows, const at::Tensor& tokens, const at::Tensor& positions);

  /// Bytes of the cache for one row and position.
  static int64_t cache_bytes(const Transformer& model);
  /// Bytes that all rows' cache may take.
  static int64_t most_cache_bytes(Device& device);
  /// No decoder of this network can have more positions.
  static int64_t most_positions(const ModelConfig& config);

 private:
  at::Tensor to_history(const at::Tensor& all, at::Tensor& cache, const DecoderRows& rows) const;
  at::Tensor to_source(const at::Tensor& query, const at::Tensor& key_value, const DecoderRows& rows) const;
  State add_and_norm(const at::Tensor& attended, const State& state, const Linear& out, const LayerNorm& norm) const;

  const Transformer& model_;
  Device& device_;
  bool pre_norm_;
  int64_t sentences_, beam_, positions_, longest_source_;
  at::Tensor starts_;               // int32 [N+1] of the sources, where there are any
  std::vector<at::Tensor> memory_;  // a layer each: [S,2D] keys and values of the sources; or none
  std::vector<at::Tensor> cache_;   // a layer each: [L,R,2D] keys and values of the rows
};

}  // namespace rdrop
