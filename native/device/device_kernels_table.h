// The kernels that are linked into a device's library, as a table; for the devices' own sources.
#pragma once

#include "device/device_kernels.h"

namespace rdrop {

template <typename T>
const ActivationLaunchers<T>& activation_launchers();
template <typename T>
const AdamLaunchers<T>& adam_launchers();
template <typename T>
const AttentionLaunchers<T>& attention_launchers();
template <typename T>
const ColumnSumsLaunchers<T>& column_sums_launchers();
template <typename T>
const DecodeAttentionLaunchers<T>& decode_attention_launchers();
template <typename T>
const DropoutResidualNormLaunchers<T>& dropout_residual_norm_launchers();
template <typename T>
const EmbeddingLaunchers<T>& embedding_launchers();
template <typename T>
const PoolingLaunchers<T>& pooling_launchers();
template <typename T>
const RdropLossLaunchers<T>& rdrop_loss_launchers();
template <typename T>
const SquaredErrorLaunchers<T>& squared_error_launchers();
const BeamSearchLaunchers& beam_search_launchers();
const StepLaunchers& step_launchers();

template <typename T>
DeviceLayerKernels<T> device_layer_kernels() {
  return {activation_launchers<T>(),       dropout_residual_norm_launchers<T>(),
          column_sums_launchers<T>(),      attention_launchers<T>(),
          rdrop_loss_launchers<T>(),       embedding_launchers<T>(),
          decode_attention_launchers<T>(), adam_launchers<T>(),
          pooling_launchers<T>(),          squared_error_launchers<T>()};
}

inline DeviceKernels device_kernels() {
  return {device_layer_kernels<float>(), device_layer_kernels<Bfloat16>(), device_layer_kernels<Half>(),
          step_launchers(), beam_search_launchers()};
}

}  // namespace rdrop
