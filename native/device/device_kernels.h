// The table of a device's kernels: what each ops/*_cuda.cu launches, by type of the activations.
#pragma once

#include <type_traits>

#include "ops/activation/activation_kernel.h"
#include "ops/adam/adam_kernel.h"
#include "ops/column_sums/column_sums_kernel.h"
#include "ops/dropout_residual_norm/dropout_residual_norm_kernel.h"
#include "ops/attention/attention_kernel.h"
#include "ops/rdrop_loss/rdrop_loss_kernel.h"
#include "ops/step_control/step_control_kernel.h"
#include "ops/embedding/embedding_kernel.h"
#include "ops/beam_search/beam_search_kernel.h"
#include "ops/decode_attention/decode_attention_kernel.h"

namespace rdrop {

template <typename T>
struct DeviceLayerKernels {
  ActivationLaunchers<T> activation;
  DropoutResidualNormLaunchers<T> dropout_residual_norm;
  ColumnSumsLaunchers<T> column_sums;
  AttentionLaunchers<T> attention;
  RdropLossLaunchers<T> rdrop_loss;
  EmbeddingLaunchers<T> embedding;
  DecodeAttentionLaunchers<T> decode_attention;
  AdamLaunchers<T> adam;
};

struct DeviceKernels {
  DeviceLayerKernels<float> float32;
  DeviceLayerKernels<Bfloat16> bfloat16;
  DeviceLayerKernels<Half> float16;
  StepLaunchers step;
  BeamSearchLaunchers beam_search;

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

template <typename T>
DeviceLayerKernels<T> device_layer_kernels() {
  return {activation_launchers<T>(),       dropout_residual_norm_launchers<T>(),
          column_sums_launchers<T>(),      attention_launchers<T>(),
          rdrop_loss_launchers<T>(),       embedding_launchers<T>(),
          decode_attention_launchers<T>(), adam_launchers<T>()};
}

inline DeviceKernels device_kernels() {
  return {device_layer_kernels<float>(), device_layer_kernels<Bfloat16>(), device_layer_kernels<Half>(),
          step_launchers(), beam_search_launchers()};
}

}  // namespace rdrop
