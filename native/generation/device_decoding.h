// TextDecoder on a device: the decoder of beam search there, its rows moved by the host, which sees the logits of every
// token. Its steps are recorded. C rows and L positions that there is memory for.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "device/recording.h"
#include "translation/device_decoder.h"

namespace rdrop {

class DeviceDecoding {
 public:
  explicit DeviceDecoding(const Transformer& model);

  /// Rows whose cache may be in memory, of so many positions each.
  int64_t most_rows(int64_t positions) const;

  /// As in TextDecoder.
  int64_t begin(int64_t rows, int64_t positions);
  at::Tensor step(const std::vector<int32_t>& tokens, const std::vector<int32_t>& parents);
  void advance(const std::vector<int32_t>& tokens, const std::vector<int32_t>& parents);

 private:
  /// The memory of a decoder, and its steps as graphs.
  struct Memory {
    Memory(Device& device, Recorder& recorder, const Transformer& model, int64_t rows, int64_t positions);
    ~Memory();
    Memory(const Memory&) = delete;

    Recorder& recorder;
    int64_t rows, positions;
    DeviceDecoder decoder;
    at::Tensor inputs;     // int32 [3C+1]: tokens, rows of the table of positions, whether a row is in use, the length
    at::Tensor ancestors;  // int32 [2,L,C] as in BeamSearchState
    at::Tensor logits;     // float32 [C,V]
    Recording& with_logits;
    Recording& without;
  };

  /// Uploads what the next position needs.
  void upload(const std::vector<int32_t>& tokens, const std::vector<int32_t>& parents);
  void follow(const std::vector<int32_t>& parents);
  void run(bool with_logits);

  const Transformer& model_;
  Device& device_;
  Recorder recorder_;
  std::unique_ptr<Memory> memory_;
  int64_t length_ = 0;              ///< positions that the cache holds
  std::vector<int32_t> ancestors_;  // [L,C] of the next position; from length_ on each row is its own
  std::vector<int32_t> next_;       // [L,C]
  bool stale_[2] = {false, false};  ///< the device's half has not got ancestors_ yet
  std::vector<int32_t> inputs_;     // [3C+1]
};

}  // namespace rdrop
