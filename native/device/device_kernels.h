// The table of a device's kernels: what each ops/*/*.cu launches, by type of the activations. Their arguments are in
// ops/<op>/<op>_kernel.h, which only the code that launches them includes, so that a change of one operation's kernels
// does not rebuild the others.
#pragma once

#include <type_traits>

#include "core/host_device.h"

namespace rdrop {

template <typename T>
struct ActivationLaunchers;
template <typename T>
struct AdamLaunchers;
template <typename T>
struct AttentionLaunchers;
template <typename T>
struct ColumnSumsLaunchers;
template <typename T>
struct DecodeAttentionLaunchers;
template <typename T>
struct DropoutResidualNormLaunchers;
template <typename T>
struct EmbeddingLaunchers;
template <typename T>
struct PoolingLaunchers;
template <typename T>
struct RdropLossLaunchers;
template <typename T>
struct SquaredErrorLaunchers;
struct BeamSearchLaunchers;
struct StepLaunchers;

template <typename T>
struct DeviceLayerKernels {
  const ActivationLaunchers<T>& activation;
  const DropoutResidualNormLaunchers<T>& dropout_residual_norm;
  const ColumnSumsLaunchers<T>& column_sums;
  const AttentionLaunchers<T>& attention;
  const RdropLossLaunchers<T>& rdrop_loss;
  const EmbeddingLaunchers<T>& embedding;
  const DecodeAttentionLaunchers<T>& decode_attention;
  const AdamLaunchers<T>& adam;
  const PoolingLaunchers<T>& pooling;
  const SquaredErrorLaunchers<T>& squared_error;
};

struct DeviceKernels {
  DeviceLayerKernels<float> float32;
  DeviceLayerKernels<Bfloat16> bfloat16;
  DeviceLayerKernels<Half> float16;
  const StepLaunchers& step;
  const BeamSearchLaunchers& beam_search;

  template <typename T>
  const DeviceLayerKernels<T>& layers() const {
    if constexpr (sizeof(T) == sizeof(float)) {
      return float32;
    } else if constexpr (std::is_same_v<T, Half>) {
      return float16;
    } else {
      return bfloat16;
    }
  }
};

}  // namespace rdrop
