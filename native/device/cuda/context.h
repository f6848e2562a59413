// What every part of the CUDA device shares: the device's number, its stream, and how failures become coded errors.
#pragma once

#include <c10/core/Device.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>
#include <cuda_runtime.h>

#include <string>
#include <type_traits>

#include "core/errors.h"

namespace rdrop {

class CudaContext {
 public:
  explicit CudaContext(int index);

  const int index;
  /// Where the work of this device is put, but for the copies of CudaUpload and what runs beside. From libtorch's pool,
  /// because the default stream cannot be captured.
  const c10::cuda::CUDAStream stream;
  /// Where work inside Device::beside is put.
  const c10::cuda::CUDAStream second;
  /// Where tensors of this device live.
  c10::Device place() const { return {c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index)}; }
  /// True while work is recorded instead of run.
  bool capturing = false;
  /// True while memory is taken from a pool of graphs.
  bool in_pool = false;
  /// True inside Device::beside.
  bool beside = false;
  /// The next kernel on the first or the second stream follows something else than the one kernel before it there.
  bool plain_next = false, plain_next_beside = false;
  /// The same for the stream that work is put on at the moment.
  void follow_plainly() { (beside ? plain_next_beside : plain_next) = true; }
  /// The stream that work is put on at the moment.
  const c10::cuda::CUDAStream& current() const { return beside ? second : stream; }

  /// Throws CUDA_FAILED when an earlier error has left the process' CUDA context unusable.
  void check() const;

  /// f() with the device and its stream current, on whichever thread this is. What it throws becomes OUT_OF_MEMORY or
  /// CUDA_FAILED with `what`, the thing that was being done; a coded error stays as it is.
  template <typename F>
  auto run(const char* what, F&& f) {
    check();
    try {
      const c10::cuda::CUDAStreamGuard guard(current());
      return f();
    } catch (const Error&) {
      examine();
      throw;
    } catch (const c10::OutOfMemoryError& error) {
      fail(ErrorCode::out_of_memory, what, ": the memory of CUDA device ", index, " does not suffice (",
           first_line(error.what_without_backtrace()),
           "). Next: a smaller batch (maxTokens), or end what else uses the device");
    } catch (const c10::Error& error) {
      examine();
      fail(ErrorCode::cuda_failed, what, ": ", first_line(error.what_without_backtrace()), restart_hint());
    }
  }

  /// Throws as run() does for a status of the CUDA runtime.
  void check_status(cudaError_t status, const char* what);

  /// The same for work that must not be recorded.
  template <typename F>
  auto run_now(const char* what, F&& f) {
    if (capturing) fail(ErrorCode::cuda_failed, what, ": cannot be recorded");
    if (beside) fail(ErrorCode::internal, what, ": cannot be put beside the stream");
    return run(what, std::forward<F>(f));
  }

  /// Clears the runtime's last error and finds out whether the context has survived it.
  void examine() noexcept;

 private:
  static std::string first_line(const std::string& message);
  std::string restart_hint() const;

  std::string broken_;  ///< the error after which nothing works any more; empty while all is well
};

}  // namespace rdrop
