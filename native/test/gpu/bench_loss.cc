// The loss: see bench.h. N target positions of one pass, V classes.
#include <cmath>
#include <cstring>
#include <sstream>

#include "core/kernels.h"
#include "ops/rdrop_loss/rdrop_loss_kernel.h"
#include "test/check.h"
#include "test/gpu/bench.h"

namespace rdrop::test {
namespace {

constexpr double kAlpha = 5, kSmoothing = 0.1;

LossWeights weights_of(const std::string& direction) {
  const double forward = direction == "uni" ? 1 : direction == "bi" ? 0.5 : 0;
  return {kSmoothing, 1, kAlpha, forward, 1 - forward};
}

std::vector<int32_t> targets_of(const BenchShapes& shapes) {
  std::vector<int32_t> targets;
  for (int64_t n = 0; n < shapes.positions; ++n) targets.push_back(int32_t(4 + n * 7919 % (shapes.types - 4)));
  return targets;
}

template <typename T>
RdropLossOnDevice<T> arguments_of(const BenchShapes& shapes, const std::string& direction, BenchMemory& memory) {
  const int64_t half = shapes.positions * shapes.types;
  RdropLossOnDevice<T> a{};
  const T* logits = memory.normal<T>(2 * half, 64, 2);
  T* gradient = memory.empty<T>(2 * half);
  a.logits1 = logits;
  a.logits2 = logits + half;
  a.gradient1 = gradient;
  a.gradient2 = gradient + half;
  a.targets = memory.upload(targets_of(shapes));
  a.ignore_index = 1;
  a.classes = shapes.types;
  a.weights = weights_of(direction);
  a.rows = memory.empty<RdropLossRow>(shapes.positions);
  a.blocks_done = memory.zeros<uint32_t>(1);
  a.sums = memory.zeros<DeviceLossSums>(1);
  return a;
}

template <typename T>
void add_direction(std::vector<Benchmark>& all, const BenchShapes& shapes, const std::string& direction) {
  const int64_t rows = shapes.positions, classes = shapes.types;
  const auto prepare = [shapes, direction](BenchMemory& memory) -> Launch {
    const auto a = arguments_of<T>(shapes, direction, memory);
    return [a, shapes](void* stream) { rdrop_loss_launchers<T>().loss(a, shapes.positions, stream); };
  };
  all.push_back({"R-Drop loss", "forward", type_name<T>(),
                 "2 x " + std::to_string(rows) + " x " + std::to_string(classes),
                 2 * int64_t(sizeof(T)) * 2 * rows * classes, prepare, direction, rows, classes});
}

template <typename T>
std::vector<T> download(const T* from, int64_t count) {
  std::vector<T> values(static_cast<size_t>(count));
  if (cudaMemcpy(values.data(), from, values.size() * sizeof(T), cudaMemcpyDeviceToHost) != cudaSuccess) {
    throw std::runtime_error("a result could not be read");
  }
  return values;
}

}  // namespace

std::vector<Benchmark> loss_benchmarks(const BenchShapes& shapes) {
  std::vector<Benchmark> all;
  for (const char* direction : {"uni", "uni-reverse", "bi"}) add_direction<Bfloat16>(all, shapes, direction);
  for (const char* direction : {"uni", "uni-reverse", "bi"}) add_direction<float>(all, shapes, direction);
  return all;
}

std::string compare_loss(const BenchShapes& shapes) {
  const int64_t half = shapes.positions * shapes.types;
  std::ostringstream differs;
  for (const char* direction : {"uni", "bi"}) {
    BenchMemory memory;
    const auto a = arguments_of<Bfloat16>(shapes, direction, memory);
    // Memory that nobody wrote must show.
    cudaMemset(a.gradient1, 0xff, size_t(2 * half) * sizeof(Bfloat16));
    rdrop_loss_launchers<Bfloat16>().loss(a, shapes.positions, nullptr);
    const std::vector<Bfloat16> logits = download(a.logits1, 2 * half), found = download(a.gradient1, 2 * half);
    const DeviceLossSums sums = download(a.sums, 1)[0];

    const std::vector<int32_t> targets = targets_of(shapes);
    std::vector<Bfloat16> expected(static_cast<size_t>(2 * half));
    std::vector<RdropLossRow> rows(static_cast<size_t>(shapes.positions));
    std::vector<float> scratch(static_cast<size_t>(2 * shapes.types));
    RdropLossArguments b{};
    b.logits1 = logits.data();
    b.logits2 = logits.data() + half;
    b.gradient1 = expected.data();
    b.gradient2 = expected.data() + half;
    b.targets = targets.data();
    b.ignore_index = 1;
    b.classes = shapes.types;
    b.weights = a.weights;
    b.rows = rows.data();
    b.scratch = scratch.data();
    kernels<RdropLossKernels>().bfloat16(b, 0, shapes.positions);

    double cross_entropy = 0, kl = 0, error = 0, size = 0;
    for (const RdropLossRow& row : rows) {
      cross_entropy += row.cross_entropy;
      kl += row.kl;
    }
    for (size_t i = 0; i < found.size(); ++i) {
      const double x = portable::to_float(expected[i]), d = portable::to_float(found[i]) - x;
      error += d * d;
      size += x * x;
    }
    const auto apart = [](double x, double y) { return !(std::abs(x - y) <= 1e-5 * std::abs(y)); };
    if (apart(sums.cross_entropy, cross_entropy)) {
      differs << direction << ": cross-entropy " << sums.cross_entropy << " instead of " << cross_entropy << "; ";
    }
    if (apart(sums.kl, kl)) differs << direction << ": kl " << sums.kl << " instead of " << kl << "; ";
    // Both are rounded to bfloat16: a difference is a last place here and there.
    if (!(std::sqrt(error / size) <= 1e-3)) differs << direction << ": gradient by " << std::sqrt(error / size) << "; ";
  }
  return differs.str();
}

}  // namespace rdrop::test
