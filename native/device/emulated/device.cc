// The emulated device: tensors in the CPU's memory, kernels under the emulated grid, products by libtorch in float32.
// What it shares with the GPU is all of rdrop's own code; it exists for tests and is as slow as it is faithful.
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/relu.h>

#include <cstring>
#include <limits>
#include <utility>

#include "device/device.h"
#include "device/device_kernels_table.h"
#include "device/emulated/fork.h"
#include "device/emulated/stream.h"
#include "core/errors.h"

namespace rdrop {
namespace {

class EmulatedGraph final : public Graph {
 public:
  EmulatedGraph(std::vector<std::function<void()>> work, std::vector<at::Tensor> memory)
      : work_(std::move(work)), memory_(std::move(memory)) {}
  void replay() override {
    for (const auto& step : work_) step();
  }

 private:
  std::vector<std::function<void()>> work_;
  std::vector<at::Tensor> memory_;  // what the work reads and writes
};

class EmulatedMemory final : public DeviceMemory {
 public:
  EmulatedMemory(EmulatedStream& stream, EmulatedFork& fork) : stream_(stream), fork_(fork) {}

  /// Filled with NaN: nothing may count on what memory held before.
  at::Tensor empty(at::IntArrayRef sizes, at::ScalarType type) override {
    at::Tensor tensor = at::isFloatingType(type)
                            ? at::full(sizes, std::numeric_limits<double>::quiet_NaN(), at::TensorOptions(type))
                            : at::full(sizes, -1, at::TensorOptions(type));
    if (stream_.recording) recorded_.push_back(tensor);
    fork_.hold(tensor);
    return tensor;
  }

  void zero(at::Tensor& tensor) override {
    enqueue(&stream_, [tensor]() mutable { tensor.zero_(); });
  }

  void copy(const at::Tensor& from, at::Tensor& to) override {
    enqueue(&stream_, [from, to]() mutable { to.copy_(from); });
  }

  void upload(const void* from, size_t bytes, at::Tensor& to) override {
    if (stream_.recording) fail(ErrorCode::cuda_failed, "upload: cannot be recorded");
    std::memcpy(to.mutable_data_ptr(), from, bytes);
  }

  at::Tensor download(const at::Tensor& from) override {
    if (stream_.recording) fail(ErrorCode::cuda_failed, "download: cannot be recorded");
    return from.clone();
  }

  /// The tensors made while the stream recorded; from now on none.
  std::vector<at::Tensor> take_recorded() { return std::exchange(recorded_, {}); }

 private:
  EmulatedStream& stream_;
  EmulatedFork& fork_;
  std::vector<at::Tensor> recorded_;
};

class EmulatedProducts final : public DeviceProducts {
 public:
  explicit EmulatedProducts(EmulatedStream& stream) : stream_(stream) {}

  void multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor& out, const ProductOptions& options) override {
    enqueue(&stream_, [a, b, out, options]() mutable {
      at::Tensor result = at::matmul(a.to(at::kFloat), b.to(at::kFloat));
      if (options.beta != 0) result = at::add(result, out.to(at::kFloat), options.beta);
      if (options.bias.defined()) result = at::add(result, options.bias.to(at::kFloat));
      if (options.relu) result = at::relu(result);
      out.copy_(result);
    });
  }

 private:
  EmulatedStream& stream_;
};

class EmulatedGraphs final : public DeviceGraphs {
 public:
  EmulatedGraphs(EmulatedStream& stream, EmulatedFork& fork, EmulatedMemory& memory, bool records)
      : stream_(stream), fork_(fork), memory_(memory), records_(records) {}

  std::unique_ptr<Graph> capture(const std::function<void()>& work) override {
    if (!records_) fail(ErrorCode::cuda_failed, "this device cannot record");
    stream_.recording = true;
    try {
      work();
      if (fork_.forked()) fail(ErrorCode::cuda_failed, "recording of a graph: it ends with work that was not joined");
    } catch (...) {
      fork_.abandon();
      end();
      throw;
    }
    return end();
  }

 private:
  std::unique_ptr<Graph> end() {
    stream_.recording = false;
    return std::make_unique<EmulatedGraph>(std::exchange(stream_.recorded, {}), memory_.take_recorded());
  }

  EmulatedStream& stream_;
  EmulatedFork& fork_;
  EmulatedMemory& memory_;
  const bool records_;
};

/// Device 0; device 1 cannot record, as a GPU where capture is impossible.
class EmulatedDevice final : public Device {
 public:
  explicit EmulatedDevice(bool records) : graphs_(stream_, fork_, memory_, records) {}

  DeviceInfo info() override { return {"emulated grid", 8, 6, 0, 0, 1}; }
  void reset_peak() override {}
  int64_t row_step() const override { return 32; }
  /// So few that the batches of tests have several chunks.
  int64_t logits_at_once() const override { return 1500; }
  const DeviceKernels& kernels() const override { return kernels_; }
  void* stream() override { return &stream_; }

  void synchronize() override {
    if (stream_.recording) fail(ErrorCode::cuda_failed, "synchronize: cannot be recorded");
  }

  void beside(const std::vector<at::Tensor>& uses, const std::function<void()>& work) override {
    fork_.beside(uses, work);
  }
  void join() override { fork_.join(); }

  DeviceMemory& memory() override { return memory_; }
  DeviceProducts& products() override { return products_; }
  FlashAttention* flash_attention() override { return nullptr; }
  DeviceGraphs& graphs() override { return graphs_; }

 private:
  DeviceKernels kernels_ = device_kernels();
  EmulatedStream stream_;
  EmulatedFork fork_{stream_};
  EmulatedMemory memory_{stream_, fork_};
  EmulatedProducts products_{stream_};
  EmulatedGraphs graphs_;
};

}  // namespace
}  // namespace rdrop

extern "C" __attribute__((visibility("default"))) std::unique_ptr<rdrop::Device> rdrop_open_device(int index) {
  return std::make_unique<rdrop::EmulatedDevice>(index == 0);
}
