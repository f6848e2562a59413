// See small_product.h.
#include "model/products/small_product.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

#include "core/dispatch.h"
#include "model/products/onemkl.h"
#include "ops/rounding/rounding_kernel.h"

namespace rdrop {
namespace {

constexpr int64_t kMostProducts = 1 << 25;  ///< M·N·K; cutting larger ones gained nothing, crowded or not
constexpr int64_t kMostSums = 1 << 20;      ///< M·N: 4 MiB of float32
constexpr int64_t kUnit = 16;               ///< lines of a part: a multiple, one cache line of float32

/// M·N·K worth a thread, about 5 microseconds.
int64_t worth_a_thread(at::ScalarType type) {
  return type == at::kBFloat16 ? 1 << 20 : 1 << 18;
}

/// While one lives, oneMKL uses this thread alone.
class OneThread {
 public:
  OneThread() : before_(onemkl().set_threads(1)) {}
  ~OneThread() { onemkl().set_threads(before_); }
  OneThread(const OneThread&) = delete;

 private:
  int before_;
};

/// Contiguous rows or columns, none over another.
bool is_plain(const at::Tensor& matrix) {
  for (const int64_t inner : {1, 0}) {
    const int64_t outer = 1 - inner;
    if (matrix.stride(inner) == 1 && (matrix.size(outer) == 1 || matrix.stride(outer) >= matrix.size(inner))) {
      return true;
    }
  }
  return false;
}

/// A rectangle of out: some of its rows, or some of its columns.
struct Part {
  int64_t row, rows, column, columns;
};

/// The longer side of out in even parts.
class Cut {
 public:
  Cut(int64_t rows, int64_t columns, int64_t most) : rows_(rows), columns_(columns), down_(rows > columns) {
    const int64_t side = std::max(rows, columns), units = (side + kUnit - 1) / kUnit;
    const int64_t parts = std::clamp<int64_t>(most, 1, units);
    step_ = (units + parts - 1) / parts * kUnit;
    parts_ = (side + step_ - 1) / step_;
  }

  int64_t parts() const { return parts_; }
  Part part(int64_t index) const {
    const int64_t first = index * step_;
    if (down_) return {first, std::min(step_, rows_ - first), 0, columns_};
    return {0, rows_, first, std::min(step_, columns_ - first)};
  }

 private:
  int64_t rows_, columns_, step_ = 0, parts_ = 0;
  bool down_;
};

float* workspace() {
  thread_local const at::Tensor memory = at::empty({kMostSums}, at::TensorOptions(at::kFloat));
  return memory.mutable_data_ptr<float>();
}

}  // namespace

bool small_product_fits(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out) {
  const int64_t sums = a.size(0) * b.size(1), products = sums * a.size(1);
  if (products < 1 || products > kMostProducts || sums > kMostSums || at::get_num_threads() == 1) return false;
  if (!onemkl_has_units(a.scalar_type()) || !onemkl().set_threads) return false;
  if (!(a.scalar_type() == at::kFloat ? bool(onemkl().gemm) : bool(onemkl().widened_gemm))) return false;
  return is_plain(a) && is_plain(b) && out.is_contiguous();
}

void small_product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool add, at::Tensor& out) {
  const int64_t rows = out.size(0), columns = out.size(1), terms = a.size(1);
  const int64_t worth = rows * columns * terms / worth_a_thread(a.scalar_type());
  const Cut cut(rows, columns, std::min<int64_t>(worth, at::get_num_threads()));
  const OneMklFactor left(a), right(b);
  const bool rounded = out.scalar_type() == at::kBFloat16;
  parallel_parts(cut.parts(), worth, [&](int64_t index, int64_t) {
    const Part part = cut.part(index);
    const OneThread one;
    OneMklPart product{a.scalar_type(), left, right, part.rows, part.columns, terms, false, nullptr, 0};
    product.a.data += part.row * a.stride(0) * int64_t(a.element_size());
    product.b.data += part.column * b.stride(1) * int64_t(b.element_size());
    if (rounded) {
      product.out = workspace();
      product.stride = part.columns;
      onemkl_multiply(product);
      const Bfloat16* addend = optional_elements<Bfloat16>(bias);
      const Rounding rounding{product.out,
                              part.columns,
                              addend ? addend + part.column : nullptr,
                              mutable_elements<Bfloat16>(out) + part.row * columns + part.column,
                              columns,
                              part.columns,
                              add};
      return kernels<RoundingKernels>().round(rounding, 0, part.rows);
    }
    product.out = mutable_elements<float>(out) + part.row * columns + part.column;
    product.stride = columns;
    product.add = add || bias.defined();
    if (bias.defined() && !add) {
      const float* addend = elements<float>(bias) + part.column;
      for (int64_t row = 0; row < part.rows; ++row) {
        std::memcpy(product.out + row * columns, addend, size_t(part.columns) * sizeof(float));
      }
    }
    onemkl_multiply(product);
  });
}

}  // namespace rdrop
