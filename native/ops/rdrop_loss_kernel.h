// The arguments of the fused loss's kernels and their entry in the table of kernels.h.
// Letters: N target positions of one pass, V classes.
#pragma once

#include <stdint.h>

namespace rdrop {

/// What one target position adds to the sums; its fault, if any, is told instead.
struct RdropLossRow {
  double cross_entropy, nll, kl;
  /// 0 none; 1 or 2: a logit of that pass is NaN or infinite; 3: the losses overflow.
  int32_t fault;
};

struct RdropLossArguments {
  /// [N,V] each. logits2 null: one pass alone, without gradient (kl 0).
  const void* logits1;
  const void* logits2;
  /// [N,V] each, of the logits' type; may be the logits themselves. Both null: losses alone. Rows with a
  /// fault are not written.
  void* gradient1;
  void* gradient2;
  /// [N]; each is ignore_index or in [0,V).
  const int32_t* targets;
  int64_t ignore_index;
  int64_t classes;
  double label_smoothing;
  /// Weight of each pass's cross-entropy: 1 (sum) or 1/2 (mean).
  double pass_weight;
  /// Gradient of the loss is that of cross_entropy + alpha * kl.
  double alpha;
  /// kl = forward_weight * D(P1||P2) + reverse_weight * D(P2||P1).
  double forward_weight, reverse_weight;
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

}  // namespace rdrop
