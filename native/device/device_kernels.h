// The table of a device's kernels: what each ops/*_cuda.cu launches, by type of the activations.
#pragma once

#include <type_traits>

#include "ops/activation_kernel.h"
#include "ops/attention_kernel.h"
#include "ops/beam_search_kernel.h"
#include "ops/decode_attention_kernel.h"

namespace rdrop {

template <typename T>
struct DeviceLayerKernels {
  ActivationLaunchers<T> activation;
  AttentionLaunchers<T> attention;
  DecodeAttentionLaunchers<T> decode_attention;
};

struct DeviceKernels {
  DeviceLayerKernels<float> float32;
  DeviceLayerKernels<Bfloat16> bfloat16;
  DeviceLayerKernels<Half> float16;
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
  return {activation_launchers<T>(), attention_launchers<T>(), decode_attention_launchers<T>()};
}

inline DeviceKernels device_kernels() {
  return {device_layer_kernels<float>(), device_layer_kernels<Bfloat16>(), device_layer_kernels<Half>(),
          beam_search_launchers()};
}

}  // namespace rdrop
