// The backends of c10d that carry tensors, one function each.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <functional>
#include <string>

namespace rdrop {

struct Backend {
  c10::intrusive_ptr<c10d::Backend> operations;
  /// Ends what is under way with an error, on any thread: buffers are no longer touched after operations is gone.
  std::function<void()> abort;
};

/// Connects to all ranks. local: this machine's address on the way to them. joining: the longest to wait for that.
Backend gloo_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, const std::string& local,
                     std::chrono::milliseconds joining);

}  // namespace rdrop
