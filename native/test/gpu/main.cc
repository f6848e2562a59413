// The kernel tests and micro-benchmarks as one program for a GPU, without libtorch and without a library of CUDA beside
// it. Prints lines: "ok NAME" or "FAILED NAME: reason" of a case, one object of JSON for everything else.
//
//   gpu_kernels device              the device found
//   gpu_kernels cases [FILTER]      every case whose name holds FILTER; a case that ends the program or hangs fails,
//   the
//                                   next ones run
//   gpu_kernels watched [FILTER]    the cases of the device alone, each once, in this very process: for
//   compute-sanitizer gpu_kernels bench [--quick]     the micro-benchmarks (bench.h) gpu_kernels list what bench
//   measures and how many bytes it counts; needs no GPU
//
// Exit status 1: something failed; 2: no device, or wrong arguments.
#include <cuda_runtime.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "test/check.h"
#include "test/gpu/bench.h"
#include "test/gpu/mirrors.h"

namespace rdrop::test {
namespace {

/// What the process that runs cases tells the one that watches it.
struct Progress {
  volatile int64_t current;   ///< index of the case that runs
  volatile int64_t launches;  ///< of all
  volatile int64_t failures;
};

constexpr int kBroken = 3;  // exit status: the device is unusable after this case

bool device_is_well() {
  return cudaDeviceSynchronize() == cudaSuccess;
}

/// For the test of this program: RDROP_GPU_SABOTAGE is "crash NAME" or "hang NAME" of a case.
void sabotage(const std::string& name) {
  const char* wanted = std::getenv("RDROP_GPU_SABOTAGE");
  if (!wanted) return;
  if (wanted == "crash " + name) raise(SIGSEGV);
  if (wanted == "hang " + name) pause();
}

int case_seconds() {
  return std::getenv("RDROP_GPU_SABOTAGE") ? 5 : 60;
}

/// Cases from `first` on, in this process.
int run_from(int64_t first, const std::string& filter, Progress& progress) {
  mirrors_on = true;
  const auto& cases = all_cases();
  for (int64_t i = first; i < int64_t(cases.size()); ++i) {
    const RegisteredCase& registered = cases[size_t(i)];
    if (registered.name.find(filter) == std::string::npos) continue;
    progress.current = i;
    sabotage(registered.name);
    const int64_t before = mirrored_launches;
    if (!run_case(registered)) progress.failures = progress.failures + 1;
    progress.launches = progress.launches + (mirrored_launches - before);
    if (!device_is_well()) return kBroken;
  }
  progress.current = int64_t(cases.size());
  return 0;
}

/// Waits for a child; its exit status, or the negative signal that ended it, after a case that takes too long SIGKILL.
int wait_for(pid_t child, const Progress& progress) {
  using Clock = std::chrono::steady_clock;
  int64_t seen = progress.current;
  auto since = Clock::now();
  for (;;) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    if (progress.current != seen) {
      seen = progress.current;
      since = Clock::now();
    }
    if (Clock::now() - since > std::chrono::seconds(case_seconds())) kill(child, SIGKILL);
    usleep(20000);
  }
}

int run_cases(const std::string& filter) {
  const auto begun = std::chrono::steady_clock::now();
  void* shared = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 2;
  auto& progress = *static_cast<Progress*>(shared);
  const auto& cases = all_cases();
  for (int64_t next = 0; next < int64_t(cases.size());) {
    std::fflush(stdout);
    progress.current = next;
    const pid_t child = fork();
    if (child == 0) {
      const int status = run_from(next, filter, progress);
      std::fflush(stdout);
      _exit(status);
    }
    const int status = child < 0 ? -1 : wait_for(child, progress);
    if (status == 0) break;
    const int64_t at = progress.current;
    if (status != kBroken && at < int64_t(cases.size())) {
      progress.failures = progress.failures + 1;
      std::printf("FAILED %s: the program ended (%s %d)\n", cases[size_t(at)].name.c_str(),
                  status < 0 ? "signal" : "exit status", status < 0 ? -status : status);
    }
    next = at + 1;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::printf("{\"row\":\"cases\",\"failures\":%lld,\"launches\":%lld,\"seconds\":%.2f}\n",
              static_cast<long long>(progress.failures), static_cast<long long>(progress.launches), seconds);
  return progress.failures ? 1 : 0;
}

/// The CPU's own cases say so in their names.
bool is_of_device(const std::string& name) {
  for (const char* words : {"the CPU", "every instruction set", "kept memory", "products by panels", "cached attention",
                            "beam candidates"}) {
    if (name.find(words) != std::string::npos) return false;
  }
  return true;
}

int run_watched(const std::string& filter) {
  mirrors_on = true;
  int failures = 0;
  for (const RegisteredCase& registered : all_cases()) {
    if (!is_of_device(registered.name) || registered.name.find(filter) == std::string::npos) continue;
    if (!run_case(registered)) ++failures;
  }
  return failures ? 1 : 0;
}

int tell_device() {
  cudaDeviceProp properties;
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (const cudaError_t status = cudaGetDeviceProperties(&properties, 0); status != cudaSuccess) {
    std::fprintf(stderr, "gpu_kernels: no CUDA device can be used: %s (driver for CUDA %d, program of CUDA %d)\n",
                 cudaGetErrorString(status), driver / 1000, runtime / 1000);
    return 2;
  }
  std::printf(
      "{\"row\":\"device\",\"name\":\"%s\",\"capability\":\"%d.%d\",\"multiprocessors\":%d,\"totalBytes\":%zu,"
      "\"l2Bytes\":%d,\"cudaDriver\":%d,\"cudaRuntime\":%d}\n",
      properties.name, properties.major, properties.minor, properties.multiProcessorCount, properties.totalGlobalMem,
      properties.l2CacheSize, driver, runtime);
  return 0;
}

int run(int count, char** arguments) {
  const std::string mode = count > 1 ? arguments[1] : "", second = count > 2 ? arguments[2] : "";
  if (mode == "device") return tell_device();
  if (mode == "cases") return run_cases(second);
  if (mode == "watched") return run_watched(second);
  if (mode == "list") return list_benchmarks();
  if (mode == "bench") return run_benchmarks(second == "--quick");
  std::fprintf(stderr, "gpu_kernels: expected device, cases, watched, bench or list, got '%s'\n", mode.c_str());
  return 2;
}

}  // namespace
}  // namespace rdrop::test

int main(int count, char** arguments) {
  try {
    return rdrop::test::run(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_kernels: %s\n", error.what());
    return 1;
  }
}
