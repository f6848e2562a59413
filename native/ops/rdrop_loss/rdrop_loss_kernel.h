// The arguments of the fused loss's kernels and their tables.
// Letters: N target positions of one pass, V classes.
#pragma once

#include <stdint.h>

#include "device/loss_sums.h"

namespace rdrop {

/// The options of the loss as factors.
struct LossWeights {
  double label_smoothing;
  /// Weight of each pass's cross-entropy: 1 (sum) or 1/2 (mean).
  double pass_weight;
  /// Gradient of the loss is that of cross_entropy + alpha * kl.
  double alpha;
  /// kl = forward_weight * D(P1||P2) + reverse_weight * D(P2||P1).
  double forward_weight, reverse_weight;
  /// [V] or null: of each class's cross-entropy, besides pass_weight.
  const double* class_weights = nullptr;
};

/// What one target position adds to the sums; its fault, if any, is reported instead.
struct RdropLossRow {
  double cross_entropy, nll, kl;
  int32_t fault;
  /// 0 for an ignored or faulty position, 1 for others.
  int32_t counted;
};

struct RdropLossArguments {
  /// [N,V] each. logits2 null: one pass alone (kl 0).
  const void* logits1;
  const void* logits2;
  /// [N,V] each, of the logits' type; may be the logits themselves. gradient2 null: of one pass alone. Both
  /// null: losses alone. Rows with a fault are not written.
  void* gradient1;
  void* gradient2;
  /// [N]; each is ignore_index or in [0,V).
  const int32_t* targets;
  int64_t ignore_index;
  int64_t classes;
  LossWeights weights;
  /// Write the gradient around the cache; wins when it is larger than the cache and is not the logits
  /// themselves.
  bool stream;
  /// [N], out.
  RdropLossRow* rows;
  /// [2V] of float, of double where the logits are; no two calls at once may share it. The scalar body needs none.
  void* scratch;
};

struct RdropLossKernels {
  using Rows = void (*)(const RdropLossArguments& arguments, int64_t begin, int64_t end);
  Rows float32, float64, bfloat16;
};

template <typename T>
struct RdropLossOnDevice {
  /// [N,V] each; logits2 null: one pass alone.
  const T* logits1;
  const T* logits2;
  /// [N,V] each; may be the logits themselves. Null: of one pass alone, losses alone. A position with a fault has
  /// gradients NaN.
  T* gradient1;
  T* gradient2;
  /// [N]
  const int32_t* targets;
  int64_t ignore_index;
  int64_t classes;
  LossWeights weights;
  /// alpha is multiplied by it; null: by 1.
  const double* alpha_factor;
  /// Every gradient is multiplied by it; null: by 1.
  const float* gradient_scale;
  /// Added to the positions of faults.
  int64_t first_position;
  /// [N], memory for the time of the launch.
  RdropLossRow* rows;
  /// Zero before and after the launch.
  uint32_t* blocks_done;
  /// Added to.
  DeviceLossSums* sums;
};

template <typename T>
struct RdropLossLaunchers {
  void (*loss)(const RdropLossOnDevice<T>& arguments, int64_t positions, void* stream);
  /// One pass, with its gradient where gradient1 is not null.
  void (*cross_entropy)(const RdropLossOnDevice<T>& arguments, int64_t positions, void* stream);
  /// Writes how many targets are not ignored.
  void (*count)(const int32_t* targets, int64_t positions, int64_t ignore_index, double* count, void* stream);
};
template <typename T>
const RdropLossLaunchers<T>& rdrop_loss_launchers();

}  // namespace rdrop
