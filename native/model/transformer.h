// The network over packed tokens: an encoder-decoder (fairseq's Transformer), a decoder, or an encoder with a head. B
// pairs or sequences, S and T source and target tokens of one pass, V types, C outputs of a head, D width. Both passes
// of R-Drop go through in one call, as 2B sequences.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/scratch.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/parameters.h"
#include "model/projection_loss.h"
#include "model/sequences.h"
#include "model/stack/sublayers.h"
#include "ops/rdrop_loss/rdrop_loss.h"

namespace rdrop {

/// Which masks a forward pass draws; off: no dropout at all.
struct DropoutKey {
  bool on = false;
  uint64_t update = 0;       ///< counted from 0
  uint64_t micro_batch = 0;  ///< within the update
  /// On a device, where update << 16 | micro_batch lies when the kernels run; instead of the two above.
  const uint64_t* update_at = nullptr;
};

/// Called in a backward pass on the CPU: of the flat gradient everything from the offset on is final for this batch.
using GradientWatcher = std::function<void(int64_t offset)>;

/// What a training step takes: all passes of the encoder's and the decoder's input, and the targets of one pass.
struct StepInput {
  Sequences source, target;  ///< of a stack that the network has not empty
  at::Tensor targets;        // int32 [N]
  at::Tensor values;         // float64 [N] of an encoder whose output is a value
};

class Transformer {
 public:
  /// device null: on the CPU in float32, float64 or bfloat16. On a device: in float32, bfloat16 or float16; tf32: its
  /// products may round float32 to TF32.
  Transformer(const ModelConfig& config, at::ScalarType type, uint64_t seed, Device* device = nullptr,
              bool tf32 = false);

  const ModelConfig& config() const { return config_; }
  Parameters& parameters() { return parameters_; }
  const Parameters& parameters() const { return parameters_; }
  uint64_t seed() const { return seed_; }
  Device* device() const { return device_; }
  bool tf32() const { return tf32_; }
  at::ScalarType type() const { return type_; }

  /// [T,V], of an encoder [B,C], without dropout, on the CPU.
  at::Tensor logits(const PackedBatch& batch) const;

  /// What the output projection or the head reads, without dropout, on the CPU: the decoder's last states [T,D] or else
  /// the encoder's [S,D].
  at::Tensor hidden(const PackedBatch& batch) const;

  /// Of a decoder alone: the logits [n,V] behind the last token of each sequence, in float32 or the masters' float64,
  /// on the CPU. No sequence is empty.
  at::Tensor next_logits(const Packed& sequences) const;

  /// The loss of all passes; adds its gradient to parameters().gradient, which on a device it overwrites. Throws
  /// NON_FINITE.
  LossSums loss_and_gradients(const PackedBatch& batch, const LossOptions& options, const DropoutKey& key,
                              const GradientWatcher& watcher = {});

  /// The same without waiting and without a check: the losses go where `output` says. add: to the gradients that are
  /// there, which else are overwritten on a device; on the CPU they are always added to.
  void enqueue_loss_and_gradients(const StepInput& input, const LossOptions& options, const DropoutKey& key,
                                  LossOutput& output, bool add, const GradientWatcher& watcher = {});

  /// The cross-entropy of one pass without dropout; kl is 0.
  LossSums evaluate(const PackedBatch& batch, const LossOptions& options) const;

  /// Encoder states [S,D] without dropout.
  at::Tensor encode(const Packed& source) const;

  /// Bytes of parameters and gradients in the CPU's memory; 0 on a device.
  int64_t bytes() const;

  /// Calls the watcher before each change of the parameters for as long as it returns true.
  void watch(std::function<bool()> watcher) { watchers_.push_back(std::move(watcher)); }
  /// To be called before the parameters change.
  void changing();

 private:
  /// Input of one pass without a backward pass.
  StepInput forward_input(const PackedBatch& batch) const;
  at::Tensor last_states(const StepInput& input) const;
  /// Logits or values, one row a position, without dropout.
  at::Tensor outputs(const StepInput& input) const;
  at::Tensor to_host(const at::Tensor& tensor) const;

  ScratchUse scratch_;  // the first, so that it goes last
  ModelConfig config_;
  at::ScalarType type_;
  uint64_t seed_;
  Device* device_;
  bool tf32_;
  Parameters parameters_;
  std::vector<std::function<bool()>> watchers_;
};

/// All passes of a batch, for a backward pass.
StepInput step_input(const ModelConfig& config, const PackedBatch& batch, int passes);

}  // namespace rdrop
