// The R-Drop loss of two passes with the gradient of both, in one operation; with passes 1 the cross-entropy of one.
// Letters: P passes, N target positions of one pass, V classes, D width of the hidden states, z logits.
//
//   CE   = sum over both passes of (1-eps)(-log P[y]) + (eps/V) sum_v -log P[v]
//   KL   = uni: D(P1||P2) (paper's eq. 5); uni_reverse: D(P2||P1); bi: half the sum of both (eq. 2)
//   loss = CE + alpha KL, summed over the positions whose target is not ignore_index; the gradient is
//   undivided. With kl_sum alpha counts N times, so that after the division by N the KL is a sum over the batch
//   beside a mean of CE. With class weights the CE of a position counts weight[y] times, the KL and N do not.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rdrop {

class Device;
struct DeviceLossSums;

struct LossOptions {
  enum class Direction { uni, uni_reverse, bi };
  enum class PassReduction { sum, mean };
  Direction direction = Direction::uni;
  double alpha = 0;
  double label_smoothing = 0;
  int64_t ignore_index = -100;
  /// mean halves the cross-entropy (and nll) of the two passes; the KL term stays as it is.
  PassReduction pass_reduction = PassReduction::sum;
  /// 1: the cross-entropy of one pass, of which alpha, direction and pass_reduction are no part.
  int passes = 2;
  /// alpha times the batch's positions that are not ignored, in the place of alpha.
  bool kl_sum = false;
  /// float64 [V], each 0 or more, where the logits are; undefined: every weight is 1.
  at::Tensor class_weights;
};

/// Natural logarithm; tokens counts the positions of one pass that are not ignored.
struct LossSums {
  double loss = 0, cross_entropy = 0, nll = 0, kl = 0;
  int64_t tokens = 0;

  void add(const LossSums& other) {
    loss += other.loss;
    cross_entropy += other.cross_entropy;
    nll += other.nll;
    kl += other.kl;
    tokens += other.tokens;
  }
};

/// logits [P·N,V], contiguous, float32, float64 or bfloat16, rows 0..N-1 pass 1 and N..2N-1 pass 2; targets
/// int32 [N] on the CPU. gradient [P·N,V] of the logits' type is overwritten and may be the logits themselves.
/// The sums do not depend on the number of threads. Throws TOKEN_OUT_OF_RANGE (before anything is written)
/// and NON_FINITE, naming the position and the pass (the gradient is then undefined). On the CPU; the same on a device
/// is rdrop_loss_on.
LossSums rdrop_loss(const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options,
                    at::Tensor& gradient);

/// What the parts of a batch take, whose targets are int32 [N] all together: with kl_sum alpha times N, once and for
/// all. On the CPU.
LossOptions options_of_batch(const LossOptions& options, const at::Tensor& targets);

/// The losses of one pass, without gradient: logits [N,V], targets int32 [N]. kl is 0 and alpha has no part.
LossSums cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options);

/// The options with their class weights in the device's memory, for everything below. Not inside a recording.
LossOptions options_on(Device& device, const LossOptions& options);

/// rdrop_loss on a device, without waiting for it. logits [P·N,V] and gradient of one type,
/// float32, bfloat16 or float16; gradient may be the logits. targets int32 [N] on the device. sums, on the device, is
/// added to; so the chunks of a batch add up, and the start of a batch zeroes it. first_position: the batch's position
/// of the first row here. With kl_sum count_positions_on
/// comes before, once a batch. gradient_scale, on the device: every gradient is multiplied by it; null: by 1.
///
/// A fault (see checked_sums) throws nothing here: the position has no part in the losses and tokens, and its gradients
/// are NaN, and so is the norm of the gradient.
void rdrop_loss_on(Device& device, const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options,
                   at::Tensor& gradient, DeviceLossSums* sums, int64_t first_position, const float* gradient_scale);

/// Counts the batch's positions that are not ignored where kl_sum wants to know, into `sums`; for the launches that
/// follow. targets int32 [N] of the whole batch, on the device. What a graph replays counts anew.
void count_positions_on(Device& device, const at::Tensor& targets, const LossOptions& options, DeviceLossSums* sums);

/// cross_entropy on a device in the same way: logits [N,V].
void cross_entropy_on(Device& device, const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options,
                      DeviceLossSums* sums, int64_t first_position);

/// What the host reads of a device's sums. Throws NON_FINITE or TOKEN_OUT_OF_RANGE, naming the first faulty position.
LossSums checked_sums(const DeviceLossSums& sums, const LossOptions& options);

}  // namespace rdrop
