// See aten_product.h.
#include "model/products/aten_product.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

namespace rdrop {

void aten_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool add, at::Tensor& out) {
  if (bias.defined()) {
    at::addmm_out(out, bias, a, b);
  } else if (add) {
    at::addmm_out(out, out, a, b);
  } else {
    at::mm_out(out, a, b);
  }
}

}  // namespace rdrop
