// Small products on Intel's chips: cut over the threads here, and each part made by oneMKL on one thread. A loop inside
// oneMKL has to wake its threads, however short it is; loops of our own are run by one thread alone while other
// programs want the cores (parallel_ranges), part by part, so that the bits are the same. With bfloat16 the rounding
// joins the product's loop. Which products are small depends on their type and sizes alone, the parts on the number of
// threads too.
#pragma once

#include <ATen/core/Tensor.h>

namespace rdrop {

/// Whether small_product is the way to out = a·b.
bool small_product_fits(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out);

/// out = a·b + bias (+ out), where small_product_fits. a [M,K] and b [K,N] float32 or bfloat16, each with contiguous
/// rows or contiguous columns; bias [N] of their type or undefined; out [M,N] contiguous, of their type or float32
/// (then without a bias).
void small_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool add, at::Tensor& out);

}  // namespace rdrop
