// The kernels' table: the arithmetic of every CPU operation, filled once per instruction set, chosen once at run time.
//
// A kernel is plain arithmetic over raw pointers on a range of rows [begin, end): it allocates nothing, throws nothing,
// starts no thread and includes neither libtorch nor the C++ library (see CMakeLists.txt). An operation <op> has
//   ops/<op>.h            its one signature, on tensors
//   ops/<op>_cpu.cc       checks, splits rows over threads, calls through this table
//   ops/<op>_kernel.h     the arguments of the kernel and its entry in the table
//   ops/<op>_kernel.inc   the bodies, included by kernels.cc alone
// and where the scalar body alone would be slow an ops/<op>_vector.inc beside it.
#pragma once

#include "ops/activation/activation_kernel.h"
#include "ops/adam/adam_kernel.h"
#include "ops/attention/attention_kernel.h"
#include "ops/beam_candidates/beam_candidates_kernel.h"
#include "ops/cached_attention/cached_attention_kernel.h"
#include "ops/column_sums/column_sums_kernel.h"
#include "ops/dropout_residual_norm/dropout_residual_norm_kernel.h"
#include "ops/embedding/embedding_kernel.h"
#include "ops/packed_gemm/packed_gemm_kernel.h"
#include "ops/rdrop_loss/rdrop_loss_kernel.h"
#include "ops/rounding/rounding_kernel.h"

namespace rdrop {

/// The kernels of the network for one type of activations.
template <typename T>
struct LayerKernels {
  EmbeddingKernels<T> embedding;
  AttentionKernels<T> attention;
  DropoutResidualNormKernels<T> dropout_residual_norm;
  ActivationKernels<T> activation;
  CachedAttentionKernels<T> cached_attention;
  ColumnSumsKernels<T> column_sums;
};

/// The kernels for numbers that are never stored in 16 bits: masters, moments, logits of a search.
template <typename W>
struct WideKernels {
  AdamKernels<W> adam;
  BeamCandidatesKernels<W> beam_candidates;
};

struct Kernels {
  const char* instruction_set;
  RdropLossKernels rdrop_loss;
  LayerKernels<float> float32;
  LayerKernels<double> float64;
  LayerKernels<Bfloat16> bfloat16;
  WideKernels<float> wide_float32;
  WideKernels<double> wide_float64;
  PanelProductKernels<float> panels_float32;
  PanelProductKernels<Bfloat16> panels_bfloat16;
  RoundingKernels rounding;

  template <typename T>
  const LayerKernels<T>& layers() const {
    if constexpr (sizeof(T) == sizeof(float)) {
      return float32;
    } else if constexpr (sizeof(T) == sizeof(double)) {
      return float64;
    } else {
      return bfloat16;
    }
  }

  template <typename T>
  const PanelProductKernels<T>& panel_product() const {
    if constexpr (sizeof(T) == sizeof(float)) {
      return panels_float32;
    } else {
      return panels_bfloat16;
    }
  }

  template <typename W>
  const WideKernels<W>& wide() const {
    if constexpr (sizeof(W) == sizeof(float)) {
      return wide_float32;
    } else {
      return wide_float64;
    }
  }
};

/// The table in use: the widest instruction set of this machine unless select_kernels chose another.
const Kernels& kernels();

/// Chooses a table by name ("avx512", "avx2", "scalar"). Returns false when this machine cannot run it.
bool select_kernels(const char* name);

}  // namespace rdrop
