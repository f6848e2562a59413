// Micro-benchmarks of the kernels at the shapes of a training step of IWSLT'14: times by CUDA events, bytes as
// benchmarks/roofline/counts.mjs counts them, the device's own copy beside them.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rdrop::test {

/// Prints one object of JSON a benchmark as soon as it is measured. quick: small shapes and few repetitions, for a
/// trial and for compute-sanitizer. Also compares the loss at its real shape with the CPU's. 1 when that differs.
int run_benchmarks(bool quick);

/// Prints name, shape and bytes of each, without a device.
int list_benchmarks();

/// Memory of the device that lives as long as this. Throws CUDA_FAILED.
class BenchMemory {
 public:
  BenchMemory() = default;
  BenchMemory(const BenchMemory&) = delete;
  ~BenchMemory();

  /// Uninitialized.
  template <typename T>
  T* empty(int64_t count) {
    return static_cast<T*>(bytes(size_t(count) * sizeof(T)));
  }
  template <typename T>
  T* upload(const std::vector<T>& values) {
    T* to = empty<T>(int64_t(values.size()));
    copy_to(to, values.data(), values.size() * sizeof(T));
    return to;
  }
  /// Normally distributed numbers, a block of them over and over.
  template <typename T>
  T* normal(int64_t count, uint64_t seed, double deviation = 1);
  template <typename T>
  T* zeros(int64_t count) {
    T* to = empty<T>(count);
    set(to, size_t(count) * sizeof(T));
    return to;
  }

 private:
  void* bytes(size_t count);
  static void copy_to(void* to, const void* from, size_t count);
  static void set(void* to, size_t count);
  std::vector<void*> blocks_;
};

/// Starts a kernel on a stream; what it works on is kept by whoever made it.
using Launch = std::function<void(void* stream)>;

struct Benchmark {
  std::string part, phase;  ///< as counts.mjs calls them
  std::string precision, shape;
  int64_t bytes;  ///< read and written by one launch, as counts.mjs counts them
  /// Memory of its own for each call, so that launches one after the other find nothing in the cache.
  std::function<Launch(BenchMemory&)> prepare;
  // Of the loss alone:
  std::string direction;
  int64_t rows = 0, classes = 0;
};

struct BenchShapes {
  int64_t rows, width, inner, types, positions, parameters, multiprocessors;
};

/// bench_kernels.cc, bench_loss.cc
std::vector<Benchmark> kernel_benchmarks(const BenchShapes& shapes);
std::vector<Benchmark> loss_benchmarks(const BenchShapes& shapes);

/// Losses and gradients of the loss's kernel at these shapes in bfloat16 against the CPU's: what differs, or nothing.
std::string compare_loss(const BenchShapes& shapes);

}  // namespace rdrop::test
