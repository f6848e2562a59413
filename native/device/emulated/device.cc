// The emulated device: tensors in the CPU's memory, kernels under the emulated grid, products by libtorch in float32.
// What it shares with the GPU is all of rdrop's own code; it exists for tests and is as slow as it is faithful.
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/relu.h>

#include <array>
#include <cstring>
#include <limits>
#include <thread>
#include <utility>

#include "device/device.h"
#include "device/device_kernels_table.h"
#include "device/gpu_shapes.h"
#include "device/emulated/fork.h"
#include "device/emulated/stream.h"
#include "core/errors.h"

namespace rdrop {
namespace {

/// What the device lacks, for tests: its number says which.
enum class Lack { nothing, recording, memory_to_record, memory };

/// Where memory is short, every so many-th tensor does not fit.
constexpr int64_t kTensorsBetweenShortages = 499;

class EmulatedGraph final : public Graph {
 public:
  EmulatedGraph(EmulatedStream& stream, std::vector<at::Tensor> memory)
      : stream_(stream), work_(std::exchange(stream.recorded, {})), memory_(std::move(memory)) {}
  ~EmulatedGraph() override {
    if (std::this_thread::get_id() != thread_) stream_.misused = true;
  }
  EmulatedGraph(const EmulatedGraph&) = delete;

  void replay() override {
    for (const auto& step : work_) stream_.put(step);
  }

 private:
  EmulatedStream& stream_;
  const std::thread::id thread_ = std::this_thread::get_id();
  std::vector<std::function<void()>> work_;
  std::vector<at::Tensor> memory_;  // what the work reads and writes
};

class EmulatedMemory final : public DeviceMemory {
 public:
  EmulatedMemory(EmulatedStream& stream, EmulatedFork& fork, Lack lack) : stream_(stream), fork_(fork), lack_(lack) {}

  /// Filled with NaN: nothing may count on what memory held before.
  at::Tensor empty(at::IntArrayRef sizes, at::ScalarType type) override {
    const bool short_now = lack_ == Lack::memory && ++made_ % kTensorsBetweenShortages == 0;
    if (short_now && (in_pool || !shortage_ || !shortage_())) {
      fail(ErrorCode::out_of_memory, "memory for a tensor: the emulated device has none");
    }
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

  void upload(size_t bytes, const std::function<void(void*)>& write, at::Tensor& to) override {
    std::vector<char> host(bytes, char(0xa5));  // as little to count on as the pinned memory of a GPU
    write(host.data());
    upload(host.data(), bytes, to);
  }

  at::Tensor download(const at::Tensor& from) override {
    if (stream_.recording) fail(ErrorCode::cuda_failed, "download: cannot be recorded");
    return from.clone();
  }

  void release_cached() override {}
  void on_shortage(std::function<bool()> release) override { shortage_ = std::move(release); }

  /// True while memory is taken from a pool of graphs.
  bool in_pool = false;

  /// The tensors made while the stream recorded; from now on none.
  std::vector<at::Tensor> take_recorded() { return std::exchange(recorded_, {}); }

 private:
  EmulatedStream& stream_;
  EmulatedFork& fork_;
  const Lack lack_;
  int64_t made_ = 0;
  std::function<bool()> shortage_;
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

class EmulatedGraphPool final : public GraphPool {
 public:
  EmulatedGraphPool(EmulatedStream& stream, EmulatedFork& fork, EmulatedMemory& memory, Lack lack)
      : stream_(stream), fork_(fork), memory_(memory), lack_(lack) {}

  void run(const std::function<void()>& work) override {
    const InPool scope(memory_);
    work();
  }

  std::unique_ptr<Graph> capture(const std::function<void()>& work) override {
    if (lack_ == Lack::recording) fail(ErrorCode::cuda_failed, "this device cannot record");
    if (lack_ == Lack::memory_to_record) fail(ErrorCode::out_of_memory, "this device has no memory to record");
    const InPool scope(memory_);
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
  struct InPool {
    explicit InPool(EmulatedMemory& memory) : memory(memory) { memory.in_pool = true; }
    ~InPool() { memory.in_pool = false; }
    EmulatedMemory& memory;
  };

  std::unique_ptr<Graph> end() {
    stream_.recording = false;
    return std::make_unique<EmulatedGraph>(stream_, memory_.take_recorded());
  }

  EmulatedStream& stream_;
  EmulatedFork& fork_;
  EmulatedMemory& memory_;
  const Lack lack_;
};

class EmulatedGraphs final : public DeviceGraphs {
 public:
  EmulatedGraphs(EmulatedStream& stream, EmulatedFork& fork, EmulatedMemory& memory, Lack lack)
      : stream_(stream), fork_(fork), memory_(memory), lack_(lack) {}

  std::unique_ptr<GraphPool> make_pool() override {
    return std::make_unique<EmulatedGraphPool>(stream_, fork_, memory_, lack_);
  }

 private:
  EmulatedStream& stream_;
  EmulatedFork& fork_;
  EmulatedMemory& memory_;
  const Lack lack_;
};

/// Device 0; device 1 cannot record, as a GPU where capture is impossible; device 2 has no memory for a recording, and
/// device 3 none for some tensors. Device 4 cuts its work as a GPU does, to be compared with one.
class EmulatedDevice final : public Device {
 public:
  EmulatedDevice(Lack lack, bool like_gpu)
      : like_gpu_(like_gpu), memory_(stream_, fork_, lack), graphs_(stream_, fork_, memory_, lack) {}

  DeviceInfo info() override { return {"emulated grid", 8, 6, 0, 0, like_gpu_ ? 82 : 1}; }
  void reset_peak() override {}
  int64_t row_step() const override { return like_gpu_ ? kGpuRowStep : 32; }
  /// So few that the batches of tests have several chunks.
  int64_t logits_at_once() const override { return like_gpu_ ? kGpuLogitsAtOnce : 1500; }
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
  DeviceMeetings* meetings() override { return nullptr; }

 private:
  const bool like_gpu_;
  DeviceKernels kernels_ = device_kernels();
  EmulatedStream stream_;
  EmulatedFork fork_{stream_};
  EmulatedMemory memory_;
  EmulatedProducts products_{stream_};
  EmulatedGraphs graphs_;
};

}  // namespace
}  // namespace rdrop

extern "C" __attribute__((visibility("default"))) std::unique_ptr<rdrop::Device> rdrop_open_device(int index) {
  using rdrop::Lack;
  if (index < 0 || index > 4) rdrop::fail(rdrop::ErrorCode::cuda_unavailable, "there is no emulated device ", index);
  return std::make_unique<rdrop::EmulatedDevice>(
      std::array{Lack::nothing, Lack::recording, Lack::memory_to_record, Lack::memory, Lack::nothing}[size_t(index)],
      /*like_gpu=*/index == 4);
}
