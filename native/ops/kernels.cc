// One table of kernels; compiled once per instruction set with RDROP_ISA = scalar, avx2 or avx512.
#include "ops/kernels.h"

#include "ops/rdrop_loss_kernel.inc"

#define RDROP_STRING(x) #x
#define RDROP_NAME(x) RDROP_STRING(x)

namespace rdrop::RDROP_ISA {

extern const Kernels table;
const Kernels table = {
    RDROP_NAME(RDROP_ISA),
    rdrop_loss_kernels,
};

}  // namespace rdrop::RDROP_ISA
