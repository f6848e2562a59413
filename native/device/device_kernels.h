// The table of a device's kernels: what each ops/*_cuda.cu launches, by type of the activations.
#pragma once

#include <type_traits>

#include "ops/activation_kernel.h"
#include "ops/adam_kernel.h"
#include "ops/column_sums_kernel.h"
#include "ops/dropout_residual_norm_kernel.h"
#include "ops/embedding_kernel.h"

namespace rdrop {

template <typename T>
struct DeviceLayerKernels {
  ActivationLaunchers<T> activation;
  DropoutResidualNormLaunchers<T> dropout_residual_norm;
  ColumnSumsLaunchers<T> column_sums;
  EmbeddingLaunchers<T> embedding;
  AdamLaunchers<T> adam;
};

struct DeviceKernels {
  DeviceLayerKernels<float> float32;
  DeviceLayerKernels<Bfloat16> bfloat16;
  DeviceLayerKernels<Half> float16;

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
  return {activation_launchers<T>(), dropout_residual_norm_launchers<T>(), column_sums_launchers<T>(),
          embedding_launchers<T>(), adam_launchers<T>()};
}

inline DeviceKernels device_kernels() {
  return {device_layer_kernels<float>(), device_layer_kernels<Bfloat16>(), device_layer_kernels<Half>()};
}

}  // namespace rdrop
