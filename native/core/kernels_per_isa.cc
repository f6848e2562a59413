// One table of kernels; compiled once per instruction set with RDROP_ISA = scalar, avx2 or avx512.
#include "core/kernels.h"

#include "ops/activation/activation_per_isa.cc"
#include "ops/adam/adam_per_isa.cc"
#include "ops/attention/attention_per_isa.cc"
#include "ops/beam_candidates/beam_candidates_per_isa.cc"
#include "ops/cached_attention/cached_attention_per_isa.cc"
#include "ops/column_sums/column_sums_per_isa.cc"
#include "ops/dropout_residual_norm/dropout_residual_norm_per_isa.cc"
#include "ops/embedding/embedding_per_isa.cc"
#include "ops/packed_gemm/packed_gemm_per_isa.cc"
#include "ops/rdrop_loss/rdrop_loss_per_isa.cc"
#include "ops/rounding/rounding_per_isa.cc"

#define RDROP_STRING(x) #x
#define RDROP_NAME(x) RDROP_STRING(x)

namespace rdrop::RDROP_ISA {

template <typename T>
constexpr LayerKernels<T> layer_kernels = {
    {embedding_forward<T>, embedding_backward<T>},
    {attention_forward<T>, attention_backward<T>},
    {dropout_residual_norm_forward<T>, dropout_residual_norm_backward<T>},
    {activation_forward<T>, activation_backward<T>},
    {cached_attention_to_history<T>, cached_attention_to_source<T>},
    {column_sums<T>},
};

template <typename W>
constexpr WideKernels<W> wide_kernels = {
    {adam_step<W>, adam_sum_of_squares<W>},
    {beam_candidates<W>},
};

template <typename T>
constexpr PanelProductKernels<T> panel_product_kernels = {pack_panels<T, kLeftPanel>, pack_panels<T, kRightPanel>,
                                                          multiply_panels<T>};

extern const Kernels table;
const Kernels table = {
    RDROP_NAME(RDROP_ISA),
    rdrop_loss_kernels,
    layer_kernels<float>,
    layer_kernels<double>,
    layer_kernels<Bfloat16>,
    wide_kernels<float>,
    wide_kernels<double>,
    panel_product_kernels<float>,
    panel_product_kernels<Bfloat16>,
    {round_rows_of_product, add_widened},
};

}  // namespace rdrop::RDROP_ISA
