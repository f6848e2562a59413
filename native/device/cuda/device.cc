// The CUDA device: libtorch's allocator, matrix products and flash attention on one stream beside rdrop's own kernels.
// Exported: rdrop_open_device.
#include <ATen/Context.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>

#include "device/cuda/context.h"
#include "device/cuda/flash.h"
#include "device/cuda/fork.h"
#include "device/cuda/graph.h"
#include "device/cuda/launch_mode.h"
#include "device/cuda/memory.h"
#include "device/cuda/nccl.h"
#include "device/cuda/products.h"
#include "device/device.h"
#include "device/device_kernels_table.h"
#include "device/gpu_shapes.h"
#include "ops/activation/activation_kernel.h"

namespace rdrop {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// Whether a variable of the environment is 0.
bool is_off(const char* variable) {
  const char* value = std::getenv(variable);
  return value && std::string_view(value) == "0";
}

/// The properties of a device that can be used, or CUDA_UNAVAILABLE.
cudaDeviceProp usable_device(int index) {
  int driver = 0, runtime = 0, count = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const std::string needed = "a driver for CUDA " + version_text(runtime) +
                             " and an NVIDIA GPU of compute capability " + "8.0 or higher are needed";
  const cudaError_t counted = cudaGetDeviceCount(&count);
  if (counted != cudaSuccess) {
    cudaGetLastError();
    fail(ErrorCode::cuda_unavailable, "CUDA cannot be used (", cudaGetErrorString(counted), "); ",
         driver == 0 ? std::string("no driver is installed") : "the driver is for CUDA " + version_text(driver), "; ",
         needed, ". Next: npx rdrop doctor");
  }
  if (index < 0 || index >= count) {
    fail(ErrorCode::cuda_unavailable, "CUDA device ", index, ": there are ", count,
         " devices, counted from 0. Next: npx rdrop doctor");
  }
  cudaDeviceProp properties;
  const cudaError_t status = cudaGetDeviceProperties(&properties, index);
  if (status != cudaSuccess) fail(ErrorCode::cuda_unavailable, "CUDA device ", index, ": ", cudaGetErrorString(status));
  if (properties.major < 8) {
    fail(ErrorCode::cuda_unavailable, "CUDA device ", index, " (", properties.name, ") has compute capability ",
         properties.major, ".", properties.minor, " (driver for CUDA ", version_text(driver), "); ", needed);
  }
  return properties;
}

class CudaDevice final : public Device {
 public:
  CudaDevice(int index, const cudaDeviceProp& properties)
      : properties_(properties), context_(index), flash_attention_(context_, properties.major, properties.minor) {
    context_.run("the first use of the device", [&] {
      at::globalContext().lazyInitDevice(at::kCUDA);
      fork_.emplace(context_);
      graphs_.emplace(context_, *fork_);
      memory_.emplace(context_, *fork_);
      prove_kernels();
      products_.emplace(context_);
    });
  }

  DeviceInfo info() override {
    return context_.run("statistics of the memory", [&] {
      const auto stats = allocator::getDeviceStats(static_cast<c10::DeviceIndex>(context_.index));
      const auto& bytes = stats.allocated_bytes[size_t(c10::CachingAllocator::StatType::AGGREGATE)];
      return DeviceInfo{properties_.name,  properties_.major,
                        properties_.minor, int64_t(properties_.totalGlobalMem),
                        bytes.peak,        properties_.multiProcessorCount};
    });
  }

  void reset_peak() override { allocator::resetPeakStats(static_cast<c10::DeviceIndex>(context_.index)); }

  int64_t row_step() const override { return kGpuRowStep; }
  int64_t logits_at_once() const override { return kGpuLogitsAtOnce; }

  const DeviceKernels& kernels() const override { return kernels_; }

  /// Makes the device current on the calling thread as well, and says how its kernels are started: kernels are launched
  /// with the stream alone.
  void* stream() override {
    context_.check();
    c10::cuda::set_device(static_cast<c10::DeviceIndex>(context_.index));
    launch_mode = {dependent_launches_, context_.beside ? &context_.plain_next_beside : &context_.plain_next};
    return context_.current().stream();
  }

  void synchronize() override {
    context_.run_now("work on the device", [&] {
      context_.check_status(cudaStreamSynchronize(context_.stream.stream()), "work on the device");
    });
  }

  void beside(const std::vector<at::Tensor>& uses, const std::function<void()>& work) override {
    fork_->beside(uses, work);
  }
  void join() override { fork_->join(); }

  DeviceMemory& memory() override { return *memory_; }
  DeviceProducts& products() override { return *products_; }
  FlashAttention* flash_attention() override { return &flash_attention_; }
  DeviceGraphs& graphs() override { return *graphs_; }
  DeviceMeetings* meetings() override { return &meetings_; }

 private:
  /// Runs a kernel, so that a library without code for this chip is reported here and not inside a step.
  void prove_kernels() {
    at::Tensor values = at::zeros({1, 4}, at::TensorOptions(at::kFloat).device(context_.place()));
    auto* data = static_cast<float*>(values.mutable_data_ptr());
    try {
      kernels_.float32.activation.forward({data, data, 4, Activation::relu, {}}, 1, context_.stream.stream());
      context_.check_status(cudaStreamSynchronize(context_.stream.stream()), "the first kernel");
    } catch (const Error& error) {
      fail(ErrorCode::cuda_unavailable, "librdrop_cuda.so has no kernels for ", properties_.name,
           " (compute capability ", properties_.major, ".", properties_.minor, "): ", error.what(),
           ". Next: npm run build:cuda -- --architectures native");
    }
  }

  const cudaDeviceProp properties_;
  CudaContext context_;
  std::optional<CudaFork> fork_;
  std::optional<CudaMemory> memory_;
  std::optional<CudaProducts> products_;
  CudaFlashAttention flash_attention_;
  std::optional<CudaGraphs> graphs_;
  NcclMeetings meetings_{context_};
  const DeviceKernels kernels_ = device_kernels();
  /// RDROP_CUDA_PDL=0 turns dependent launches off, to compare.
  const bool dependent_launches_ = properties_.major >= 9 && !is_off("RDROP_CUDA_PDL");
};

}  // namespace
}  // namespace rdrop

extern "C" __attribute__((visibility("default"))) std::unique_ptr<rdrop::Device> rdrop_open_device(int index) {
  const cudaDeviceProp properties = rdrop::usable_device(index);
  c10::cuda::set_device(static_cast<c10::DeviceIndex>(index));
  return std::make_unique<rdrop::CudaDevice>(index, properties);
}
