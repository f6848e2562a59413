// The tests of the kernels: plain C++ without libtorch, so that they compile in seconds. A file registers its cases; a
// case fails by throwing. run_cases.cc runs them and prints a line a case, which test/ops/device_kernels.test.ts reads.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "core/host_device.h"
#include "core/kernels.h"

namespace rdrop::test {

/// Registers a case at start-up: const Case name{"what it shows", [] { ... }};
struct Case {
  Case(std::string name, std::function<void()> body);
};

struct RegisteredCase {
  std::string name;
  std::function<void()> body;
};

/// All cases, in the order in which they were linked.
const std::vector<RegisteredCase>& all_cases();

/// Runs a case and prints "ok NAME" or "FAILED NAME: reason"; whether it passed.
bool run_case(const RegisteredCase& registered);

/// Throws unless |actual - expected| <= absolute + relative·|expected| everywhere, naming the worst place.
void expect_close(const std::string& what, const std::vector<double>& actual, const std::vector<double>& expected,
                  double relative, double absolute);

/// Throws with the message unless the condition holds.
void expect(bool condition, const std::string& message);

/// Unit roundoff of a type of storage: what one rounding may cost, relatively.
template <typename T>
constexpr double roundoff() {
  if constexpr (sizeof(T) == 8) return 0x1p-53;
  if constexpr (sizeof(T) == 4) return 0x1p-24;
  return std::is_same_v<T, Half> ? 0x1p-11 : 0x1p-8;
}

template <typename T>
constexpr const char* type_name() {
  if constexpr (sizeof(T) == 8) return "float64";
  if constexpr (sizeof(T) == 4) return "float32";
  return std::is_same_v<T, Half> ? "float16" : "bfloat16";
}

/// Values rounded to T, starting on a boundary of 64 bytes as libtorch's tensors do.
template <typename T>
class Array {
 public:
  explicit Array(size_t size)
      : size_(size), memory_(static_cast<char*>(::operator new(size * sizeof(T), std::align_val_t(64)))) {
    std::memset(memory_.get(), 0, size * sizeof(T));
  }
  explicit Array(const std::vector<double>& values) : Array(values.size()) {
    for (size_t i = 0; i < size_; ++i) {
      if constexpr (sizeof(T) == 8) {
        data()[i] = values[i];
      } else {
        portable::assign(data()[i], float(values[i]));
      }
    }
  }
  Array(const Array&) = delete;

  T* data() { return reinterpret_cast<T*>(memory_.get()); }
  const T* data() const { return reinterpret_cast<const T*>(memory_.get()); }
  size_t size() const { return size_; }
  /// The values as they were rounded.
  std::vector<double> values() const {
    std::vector<double> all(size_);
    for (size_t i = 0; i < size_; ++i) {
      if constexpr (sizeof(T) == 8) {
        all[i] = data()[i];
      } else {
        all[i] = portable::to_float(data()[i]);
      }
    }
    return all;
  }

 private:
  struct Free {
    void operator()(char* memory) const { ::operator delete(memory, std::align_val_t(64)); }
  };
  size_t size_;
  std::unique_ptr<char, Free> memory_;  // not a byte more, so that a sanitizer sees every access beyond
};

/// Normally distributed numbers.
std::vector<double> normal(size_t count, uint64_t seed, double deviation = 1);

/// Runs the body once for each order in which the emulated grid gives its threads their turns; on a GPU, whose order
/// nobody chooses, as often.
void in_every_order(const std::function<void()>& body);

}  // namespace rdrop::test
