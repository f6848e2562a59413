// The CUDA device: libtorch's allocator, matrix products and flash attention on one stream beside rdrop's own kernels.
// Exported: rdrop_open_device.
#include <ATen/Context.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include <memory>

#include "device/cuda/context.h"
#include "device/cuda/flash.h"
#include "device/cuda/graph.h"
#include "device/cuda/upload.h"
#include "device/device.h"
#include "device/device_kernels_table.h"
#include "ops/activation/activation_kernel.h"

namespace rdrop {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
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
  const cudaError_t told = cudaGetDeviceProperties(&properties, index);
  if (told != cudaSuccess) fail(ErrorCode::cuda_unavailable, "CUDA device ", index, ": ", cudaGetErrorString(told));
  if (properties.major < 8) {
    fail(ErrorCode::cuda_unavailable, "CUDA device ", index, " (", properties.name, ") has compute capability ",
         properties.major, ".", properties.minor, " (driver for CUDA ", version_text(driver), "); ", needed);
  }
  return properties;
}

class CudaDevice : public Device {
 public:
  CudaDevice(int index, const cudaDeviceProp& properties) : properties_(properties), context_(index) {
    context_.run("the first use of the device", [&] {
      at::globalContext().lazyInitDevice(at::kCUDA);
      recorder_ = std::make_unique<CudaRecorder>(context_);
      upload_ = std::make_unique<CudaUpload>(context_);
      // Products are summed in float32, also where cuBLAS splits the inner dimension.
      at::globalContext().setAllowFP16ReductionCuBLAS(false);
      at::globalContext().setAllowBF16ReductionCuBLAS(false);
      prove_kernels();
      prepare_products();
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

  at::Device place() const override { return {at::kCUDA, static_cast<c10::DeviceIndex>(context_.index)}; }

  /// On the batches of IWSLT'14: 148 shapes, 3.7 % more rows.
  int64_t row_step() const override { return 256; }

  const DeviceKernels& kernels() const override { return kernels_; }

  /// Makes the device current on the calling thread as well: kernels are launched with the stream alone.
  void* stream() override {
    context_.check();
    c10::cuda::set_device(static_cast<c10::DeviceIndex>(context_.index));
    return context_.stream.stream();
  }

  at::Tensor empty(at::IntArrayRef sizes, at::ScalarType type) override {
    return context_.run("memory for a tensor",
                        [&] { return at::empty(sizes, at::TensorOptions(type).device(place())); });
  }

  void zero(at::Tensor& tensor) override {
    context_.run("zeroing of a tensor", [&] { tensor.zero_(); });
  }

  void copy(const at::Tensor& from, at::Tensor& to) override {
    context_.run("copy of a tensor", [&] { to.copy_(from, /*non_blocking=*/true); });
  }

  void upload(const void* from, size_t bytes, at::Tensor& to) override {
    context_.run_now("upload", [&] {
      if (!to.is_contiguous() || bytes > to.nbytes()) {
        fail(ErrorCode::internal, "upload of ", bytes, " bytes to a tensor of ", to.nbytes(),
             to.is_contiguous() ? "" : ", which is not contiguous");
      }
      upload_->copy(from, bytes, to.mutable_data_ptr());
    });
  }

  at::Tensor download(const at::Tensor& from) override {
    // A copy to pageable memory on the current stream returns when it is done.
    return context_.run_now("download", [&] { return from.to(at::kCPU).contiguous(); });
  }

  void synchronize() override {
    context_.run_now("work on the device", [&] {
      context_.check_status(cudaStreamSynchronize(context_.stream.stream()), "work on the device");
    });
  }

  void product(const at::Tensor& a, const at::Tensor& b, double beta, at::Tensor& out) override {
    context_.run("matrix product", [&] { multiply(a, b, beta, out); });
  }

  void product_with_bias(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, at::Tensor& out) override {
    context_.run("matrix product with a bias", [&] {
      if (out.scalar_type() == a.scalar_type() && bias.scalar_type() == out.scalar_type()) {
        at::addmm_out(out, bias, a, b);
      } else {
        out.copy_(bias.expand_as(out));
        multiply(a, b, 1, out);
      }
    });
  }

  bool has_flash_attention(at::ScalarType type, int64_t head_dim) const override {
    return cuda_has_flash_attention(properties_.major, properties_.minor, type, head_dim);
  }

  FlashSaved flash_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                             const at::Tensor& query_starts, const at::Tensor& key_starts, int64_t longest_query,
                             int64_t longest_key, bool causal) override {
    return context_.run("flash attention", [&] {
      return cuda_flash_attention(query, key, value, query_starts, key_starts, longest_query, longest_key, causal);
    });
  }

  void flash_attention_backward(const at::Tensor& out_gradient, const at::Tensor& query, const at::Tensor& key,
                                const at::Tensor& value, const FlashSaved& saved, const at::Tensor& query_starts,
                                const at::Tensor& key_starts, int64_t longest_query, int64_t longest_key, bool causal,
                                at::Tensor& query_gradient, at::Tensor& key_gradient,
                                at::Tensor& value_gradient) override {
    context_.run("flash attention, backward", [&] {
      cuda_flash_attention_backward(out_gradient, query, key, value, saved, query_starts, key_starts, longest_query,
                                    longest_key, causal, query_gradient, key_gradient, value_gradient);
    });
  }

  std::unique_ptr<Graph> capture(const std::function<void()>& work) override { return recorder_->record(work); }

  void allow_tf32(bool allow) override { at::globalContext().setAllowTF32CuBLAS(allow); }

 private:
  at::Tensor tensor(at::IntArrayRef sizes, at::ScalarType type) {
    return at::empty(sizes, at::TensorOptions(type).device(place())).zero_();
  }

  void multiply(const at::Tensor& a, const at::Tensor& b, double beta, at::Tensor& out) {
    const bool same = out.scalar_type() == a.scalar_type();
    if (same && beta == 0) {
      at::mm_out(out, a, b);
    } else if (same) {
      at::addmm_out(out, out, a, b, beta, 1);
    } else if (beta == 0) {
      at::mm_out(out, a, b, out.scalar_type());
    } else if (adds_in_place_) {
      at::addmm_out(out, out, a, b, out.scalar_type(), beta, 1);
    } else {
      const at::Tensor result = at::mm(a, b, out.scalar_type());
      if (beta != 1) out.mul_(beta);
      out.add_(result);
    }
  }

  /// Runs a kernel, so that a library without code for this chip is told here and not inside a step.
  void prove_kernels() {
    at::Tensor values = tensor({1, 4}, at::kFloat);
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

  /// cuBLAS makes its handle and takes its workspace at the first product, which must not fall into a recording. Finds
  /// out as well whether this libtorch adds a product of 16-bit matrices to one of float32.
  void prepare_products() {
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      const at::Tensor a = tensor({16, 16}, type), bias = tensor({16}, type);
      at::Tensor out = tensor({16, 16}, type), wide = tensor({16, 16}, at::kFloat);
      multiply(a, a, 0, out);
      multiply(a, a, 1, out);
      at::addmm_out(out, bias, a, a);
      if (type == at::kFloat) continue;
      multiply(a, a, 0, wide);
      try {
        multiply(a, a, 1, wide);
      } catch (const c10::Error&) {
        adds_in_place_ = false;
      }
    }
    context_.check_status(cudaStreamSynchronize(context_.stream.stream()), "the first matrix products");
  }

  const cudaDeviceProp properties_;
  CudaContext context_;
  std::unique_ptr<CudaRecorder> recorder_;
  std::unique_ptr<CudaUpload> upload_;
  const DeviceKernels kernels_ = device_kernels();
  bool adds_in_place_ = true;
};

}  // namespace
}  // namespace rdrop

extern "C" __attribute__((visibility("default"))) std::unique_ptr<rdrop::Device> rdrop_open_device(int index) {
  const cudaDeviceProp properties = rdrop::usable_device(index);
  c10::cuda::set_device(static_cast<c10::DeviceIndex>(index));
  return std::make_unique<rdrop::CudaDevice>(index, properties);
}
