// Work beside the emulated stream: see Device::beside and stream.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdlib>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "device/emulated/stream.h"

namespace rdrop {

class EmulatedFork {
 public:
  explicit EmulatedFork(EmulatedStream& stream) : stream_(stream) {
    // For a run of the tests with the other order.
    const char* order = std::getenv("RDROP_EMULATED_BESIDE");
    stream_.late = !(order && std::string_view(order) == "early");
  }

  void beside(const std::vector<at::Tensor>& uses, const std::function<void()>& work) {
    held_.insert(held_.end(), uses.begin(), uses.end());
    const bool outer = std::exchange(stream_.beside, true);
    try {
      work();
    } catch (...) {
      stream_.beside = outer;
      throw;
    }
    stream_.beside = outer;
    forked_ = true;
  }

  void join() {
    stream_.join();
    forked_ = false;
    held_.clear();
  }

  /// Keeps memory that was made inside beside() until the join.
  void hold(const at::Tensor& tensor) {
    if (stream_.beside) held_.push_back(tensor);
  }

  /// Whether work waits for a join.
  bool forked() const { return forked_; }

  /// Forgets work that was not joined.
  void abandon() {
    stream_.waiting.clear();
    forked_ = false;
    held_.clear();
  }

 private:
  EmulatedStream& stream_;
  bool forked_ = false;
  std::vector<at::Tensor> held_;
};

}  // namespace rdrop
