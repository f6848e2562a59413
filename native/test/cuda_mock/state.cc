// See state.h; also what tests ask of the mock (control.h).
#include "test/cuda_mock/state.h"

#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "test/cuda_mock/control.h"
#include "test/cuda_mock/memory.h"

namespace cuda_mock {
namespace {

int number_of(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text && *text ? std::atoi(text) : otherwise;
}

Settings read_settings() {
  Settings settings;
  settings.compute = number_of("MOCK_COMPUTE", 1) != 0;
  settings.record = number_of("MOCK_RECORD", 1) != 0;
  settings.devices = number_of("MOCK_DEVICES", 1);
  settings.sm = number_of("MOCK_SM", 86);
  settings.verbose = number_of("MOCK_VERBOSE", 0) != 0;
  memory().limit = size_t(number_of("MOCK_MEMORY_MIB", 24 << 10)) << 20;
  queue().set_order(uint64_t(number_of("MOCK_ORDER", 0)));
  return settings;
}

struct Failing {
  long calls[size_t(Call::count)] = {};
  long all = 0;
  const char* kind = "";
  long nth = 0;
  cudaError_t lost = cudaSuccess;  ///< every call answers with it
};

Failing& failing() {
  static Failing& instance = *new Failing;
  return instance;
}

constexpr const char* kNames[] = {"allocation", "pinned",  "launch", "copy",    "fill", "event",
                                  "stream",     "capture", "graph",  "product", "wait", "collective"};

cudaError_t error_of(Call call) {
  switch (call) {
    case Call::allocation:
    case Call::pinned:
      return cudaErrorMemoryAllocation;
    case Call::launch:
    case Call::product:
      return cudaErrorLaunchOutOfResources;
    case Call::graph:
      return cudaErrorMemoryAllocation;
    default:
      return cudaErrorUnknown;
  }
}

std::vector<std::string>& violations() {
  static auto& instance = *new std::vector<std::string>;
  return instance;
}

thread_local cudaError_t last_error = cudaSuccess;

}  // namespace

const Settings& settings() {
  static const Settings instance = read_settings();
  return instance;
}

void Mutex::pause() {
  const int depth = depth_;
  for (int i = 0; i < depth; ++i) unlock();
  std::this_thread::sleep_for(std::chrono::microseconds(200));
  for (int i = 0; i < depth; ++i) lock();
}

Mutex& mutex() {
  static auto& instance = *new Mutex;
  return instance;
}

Queue& queue() {
  static auto& instance = *new Queue;
  return instance;
}

const Work*& current_work() {
  static const Work* current = nullptr;
  return current;
}

int& current_device() {
  static thread_local int device = 0;
  return device;
}

void violation(const char* format, ...) {
  char text[2048];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  const Lock lock(mutex());
  violations().push_back(text);
  constexpr size_t kMostPrinted = 50;
  if (violations().size() <= kMostPrinted) std::fprintf(stderr, "cuda_mock: %s\n", text);
  if (const char* path = std::getenv("MOCK_REPORT")) {
    if (std::FILE* file = std::fopen(path, "a")) {
      std::fprintf(file, "%s\n", text);
      std::fclose(file);
    }
  }
  if (std::getenv("MOCK_ABORT")) std::abort();
}

cudaError_t answer(cudaError_t status) {
  if (status != cudaSuccess) last_error = status;
  return status;
}

namespace {

/// Whether and with what a call has to fail.
cudaError_t failure_of(Call call) {
  Failing& f = failing();
  if (f.lost != cudaSuccess) return answer(f.lost);
  const long number = ++f.calls[size_t(call)], among_all = ++f.all;
  if (f.nth == 0) return cudaSuccess;
  const bool all = std::strcmp(f.kind, "all") == 0, lost = std::strcmp(f.kind, "lost") == 0;
  if (std::strcmp(f.kind, "memory") == 0) {
    return call == Call::allocation && number >= f.nth ? answer(cudaErrorMemoryAllocation) : cudaSuccess;
  }
  if (all || lost ? among_all != f.nth : std::strcmp(f.kind, kNames[size_t(call)]) != 0 || number != f.nth) {
    return cudaSuccess;
  }
  f.nth = 0;
  if (lost) f.lost = cudaErrorIllegalAddress;
  return answer(lost ? cudaErrorIllegalAddress : error_of(call));
}

}  // namespace

cudaError_t begin(Call call) {
  settings();
  const cudaError_t failure = failure_of(call);
  if (failure == cudaSuccess || call == Call::allocation || call == Call::pinned) return failure;
  // What fails in a recording ends it.
  for (const auto& capture : captures()) {
    if (capture->thread == std::this_thread::get_id()) invalidate(*capture, failure, "a call that failed");
  }
  return failure;
}

MOCK_API cudaError_t cudaGetLastError() {
  const Lock lock(mutex());
  const cudaError_t error = last_error;
  last_error = failing().lost;
  return error;
}

MOCK_API cudaError_t cudaPeekAtLastError() {
  return last_error;
}

MOCK_API size_t mock_violations(const char** texts, size_t most) {
  const Lock lock(mutex());
  for (size_t i = 0; i < violations().size() && i < most; ++i) texts[i] = violations()[i].c_str();
  return violations().size();
}

MOCK_API void mock_forget_violations() {
  const Lock lock(mutex());
  violations().clear();
}

MOCK_API void mock_fail(const char* kind, long nth) {
  const Lock lock(mutex());
  Failing& f = failing();
  f = Failing{};
  f.kind = kind;
  f.nth = nth;
  last_error = cudaSuccess;
}

MOCK_API long mock_calls(const char* kind) {
  const Lock lock(mutex());
  if (std::strcmp(kind, "memory") == 0) kind = "allocation";
  if (std::strcmp(kind, "all") == 0) return failing().all;
  for (size_t i = 0; i < size_t(Call::count); ++i) {
    if (std::strcmp(kind, kNames[i]) == 0) return failing().calls[i];
  }
  return 0;
}

MOCK_API void mock_order(uint64_t seed) {
  const Lock lock(mutex());
  queue().set_order(seed);
}

MOCK_API void mock_limit_memory(size_t bytes) {
  const Lock lock(mutex());
  settings();
  memory().limit = bytes;
}

MOCK_API void mock_memory(int device, size_t* in_use, size_t* peak) {
  const Lock lock(mutex());
  *in_use = memory().in_use(device);
  *peak = memory().peak(device);
}

MOCK_API int mock_is_allocated(const void* pointer) {
  const Lock lock(mutex());
  return memory().is_allocated(pointer);
}

MOCK_API void mock_lacks(const char* function) {
  if (settings().verbose) std::fprintf(stderr, "cuda_mock: %s is called, which it lacks\n", function);
}

}  // namespace cuda_mock
