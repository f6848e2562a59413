// Launches of kernels: rdrop's run their bodies of the emulated grid, libtorch's are known by name, a few are computed.
#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <regex>
#include <unordered_map>
#include <unordered_set>

#include "device/emulated/runners.h"
#include "test/cuda_mock/chip.h"
#include "test/cuda_mock/libtorch_kernels.h"
#include "test/cuda_mock/memory.h"
#include "test/cuda_mock/state.h"

namespace cuda_mock {
namespace {

/// A kernel as its library registered it.
struct Kernel {
  const char* mangled = nullptr;
  std::string name;  ///< demangled, once it is used
  bool own = false;
  const rdrop::EmulatedRunner* runner = nullptr;
  int most_shared_bytes = 48 * 1024;  ///< what was asked for with cudaFuncSetAttribute
};

std::unordered_map<const void*, Kernel>& kernels() {
  static auto& instance = *new std::unordered_map<const void*, Kernel>;
  return instance;
}

std::string demangled(const char* mangled) {
  int status = 0;
  char* text = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  const std::string name = text ? text : mangled;
  std::free(text);
  return name;
}

/// The library of the emulated kernels, beside this one. Opened when a kernel of rdrop first runs.
struct EmulatedKernels {
  rdrop::FindEmulatedRunner* find = nullptr;
  rdrop::RunEmulated* run = nullptr;
};

const EmulatedKernels& emulated_kernels() {
  static const EmulatedKernels found = [] {
    Dl_info info;
    dladdr(reinterpret_cast<void*>(&demangled), &info);
    const char* other = std::getenv("MOCK_KERNELS");
    const auto path = other ? std::filesystem::path(other)
                            : std::filesystem::path(info.dli_fname).parent_path() / "librdrop_emulated.so";
    EmulatedKernels kernels;
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      kernels.find = reinterpret_cast<rdrop::FindEmulatedRunner*>(dlsym(library, "rdrop_find_emulated_runner"));
      kernels.run = reinterpret_cast<rdrop::RunEmulated*>(dlsym(library, "rdrop_run_emulated"));
    }
    if (!kernels.find || !kernels.run) violation("the emulated kernels could not be opened: %s", dlerror());
    return kernels;
  }();
  return found;
}

/// X of "void rdrop::run_kernel<X>(X)"; empty for other kernels.
std::string argument_of_run_kernel(const std::string& name) {
  constexpr const char* kPrefix = "rdrop::run_kernel<";
  const size_t found = name.find(kPrefix);
  if (found == std::string::npos) return "";
  const size_t start = found + std::strlen(kPrefix);
  int depth = 1;
  for (size_t at = start; at < name.size(); ++at) {
    depth += name[at] == '<' ? 1 : name[at] == '>' ? -1 : 0;
    if (depth == 0) return name.substr(start, name.find_last_not_of(' ', at - 1) + 1 - start);
  }
  return "";
}

/// The source file in a name that nvcc gave to what lies in an unnamed namespace:
/// _GLOBAL__N__<hash>_<length>_<file>_cu_…
std::string source_of(const std::string& mangled) {
  static const std::regex pattern("_GLOBAL__N__[0-9a-f]+_[0-9]+_(.+?)_cu_");
  std::smatch found;
  return std::regex_search(mangled, found, pattern) ? found[1].str() : "";
}

/// Without the namespaces.
std::string short_name(std::string name) {
  for (const char* part : {"(anonymous namespace)::", "rdrop::"}) {
    for (size_t at; (at = name.find(part)) != std::string::npos;) name.erase(at, std::strlen(part));
  }
  return name;
}

/// Name, owner and body of a kernel that is used for the first time.
void look_up(Kernel& kernel) {
  if (!kernel.name.empty()) return;
  kernel.name = demangled(kernel.mangled);
  const std::string argument = argument_of_run_kernel(kernel.name);
  kernel.own = !argument.empty();
  if (!kernel.own) return;
  const std::string source = source_of(kernel.mangled);
  kernel.name = source + "/" + short_name(argument);
  if (auto* find = emulated_kernels().find) kernel.runner = find(source.c_str(), argument.c_str());
  if (!kernel.runner) violation("%s has no body for the emulated grid", kernel.name.c_str());
}

struct Shape {
  dim3 grid, block;
  size_t shared_bytes;
};

/// Whether a chip would start it.
bool fits(const Kernel& kernel, const Shape& shape) {
  const Chip& chip = mock_chip();
  const dim3 &g = shape.grid, &b = shape.block;
  const uint64_t threads = uint64_t(b.x) * b.y * b.z;
  const uint64_t most = kernel.runner ? uint64_t(kernel.runner->max_threads) : 1024;
  return g.x > 0 && g.y > 0 && g.z > 0 && g.x <= 0x7fffffff && g.y <= 65535 && g.z <= 65535 && threads > 0 &&
         threads <= most && b.x <= 1024 && b.y <= 1024 && b.z <= 64 &&
         shape.shared_bytes <= size_t(kernel.most_shared_bytes) && shape.shared_bytes <= size_t(chip.most_shared_bytes);
}

/// The device's addresses among the words of a kernel's arguments.
std::vector<Range> addresses_in(const char* bytes, size_t size) {
  std::vector<Range> found;
  for (size_t at = 0; at + sizeof(void*) <= size; at += sizeof(void*)) {
    const void* word;
    std::memcpy(&word, bytes + at, sizeof(word));
    if (memory().may_be_address(word)) found.push_back({word, 1});
  }
  return found;
}

void run_own(const rdrop::EmulatedRunner& runner, const char* arguments, const Work& work) {
  char error[512] = "";
  if (!emulated_kernels().run(&runner, arguments, work.blocks, int(work.threads), work.shared_bytes, error,
                              sizeof(error))) {
    violation("%s: %s", work.name.c_str(), error);
  }
}

cudaError_t launch(const void* function, const Shape& shape, void** arguments, cudaStream_t stream) {
  const Lock lock(mutex());
  Stream& on = stream_of(stream);
  if (const auto failed = begin(Call::launch)) {
    if (on.capture) invalidate(*on.capture, failed, "a launch that failed");
    return failed;
  }
  const auto found = kernels().find(function);
  if (found == kernels().end()) return answer(cudaErrorInvalidDeviceFunction);
  Kernel& kernel = found->second;
  look_up(kernel);
  if (!fits(kernel, shape)) {
    const dim3 &g = shape.grid, &b = shape.block;
    violation(
        "no chip of sm_%d would start %s with a grid of %u x %u x %u blocks of %u x %u x %u threads and %zu bytes "
        "of shared memory (%d were allowed)",
        settings().sm, kernel.name.c_str(), g.x, g.y, g.z, b.x, b.y, b.z, shape.shared_bytes, kernel.most_shared_bytes);
    if (on.capture) invalidate(*on.capture, cudaErrorInvalidConfiguration, "a launch that failed");
    return answer(cudaErrorInvalidConfiguration);
  }
  Work work;
  work.kind = Work::Kind::kernel;
  work.name = kernel.name;
  work.own = kernel.own;
  work.blocks = shape.grid.x * shape.grid.y * shape.grid.z;
  work.threads = shape.block.x * shape.block.y * shape.block.z;
  work.shared_bytes = shape.shared_bytes;
  if (kernel.runner) {
    const auto* bytes = static_cast<const char*>(arguments[0]);
    auto copied = std::make_shared<std::vector<char>>(bytes, bytes + kernel.runner->bytes);
    work.memory = addresses_in(copied->data(), copied->size());
    if (settings().compute) {
      // The shape and the name without what holds them.
      Work shown = work;
      shown.memory.clear();
      work.run = [runner = kernel.runner, copied, shown] { run_own(*runner, copied->data(), shown); };
    }
  } else if (!kernel.own) {
    libtorch_kernel(arguments, work);
  }
  return submit(on, std::move(work));
}

/// Whether a launch is a programmatic dependent one.
bool is_dependent(const cudaLaunchConfig_t& config) {
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = config.attrs[i];
    if (attribute.id == cudaLaunchAttributeProgrammaticStreamSerialization &&
        attribute.val.programmaticStreamSerializationAllowed) {
      return true;
    }
  }
  return false;
}

/// In a recording a dependent launch becomes an edge between two kernels; the runtime does not promise more.
bool follows_one_kernel(const Stream& stream) {
  if (!stream.capture || stream.recorded_tail.empty()) return true;
  if (stream.recorded_tail.size() > 1) return false;
  const Work::Kind kind = stream.recorded_tail[0]->work->kind;
  return kind == Work::Kind::kernel || kind == Work::Kind::product;
}

struct Configuration {
  Shape shape;
  cudaStream_t stream;
};
thread_local std::vector<Configuration> configurations;

}  // namespace

MOCK_API cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t shared,
                                      cudaStream_t stream) {
  return launch(function, {grid, block, shared}, arguments, stream);
}

MOCK_API cudaError_t __cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t shared,
                                        cudaStream_t stream) {
  return launch(function, {grid, block, shared}, arguments, stream);
}

MOCK_API cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block, void** arguments,
                                                 size_t shared, cudaStream_t stream) {
  return launch(function, {grid, block, shared}, arguments, stream);
}

/// Programmatic dependent launches wait for the kernel before as all others do.
MOCK_API cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* c, const void* function, void** arguments) {
  const Lock lock(mutex());
  if (is_dependent(*c) && !follows_one_kernel(stream_of(c->stream))) {
    violation("a dependent launch follows something else than one kernel");
  }
  return launch(function, {c->gridDim, c->blockDim, c->dynamicSmemBytes}, arguments, c->stream);
}

MOCK_API unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t stream) {
  configurations.push_back({{grid, block, shared}, stream});
  return 0;
}

MOCK_API cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  const Configuration last = configurations.back();
  configurations.pop_back();
  *grid = last.shape.grid;
  *block = last.shape.block;
  *shared = last.shape.shared_bytes;
  *static_cast<cudaStream_t*>(stream) = last.stream;
  return cudaSuccess;
}

MOCK_API void** __cudaRegisterFatBinary(void*) {
  static void* handle = nullptr;
  return &handle;
}

MOCK_API void __cudaRegisterFatBinaryEnd(void**) {}

MOCK_API void __cudaUnregisterFatBinary(void**) {}

MOCK_API void __cudaRegisterFunction(void**, const char* host, char*, const char* name, int, void*, void*, void*, void*,
                                     int*) {
  const Lock lock(mutex());
  kernels()[host].mangled = name;
}

namespace {
/// Variables of the device: where their memory is, once somebody asks.
struct Variable {
  size_t bytes;
  void* memory = nullptr;
};
std::unordered_map<const void*, Variable>& variables() {
  static auto& instance = *new std::unordered_map<const void*, Variable>;
  return instance;
}
}  // namespace

MOCK_API void __cudaRegisterVar(void**, char* host, char*, const char*, int, size_t bytes, int, int) {
  const Lock lock(mutex());
  variables()[host] = {bytes};
}

MOCK_API cudaError_t cudaGetSymbolAddress(void** pointer, const void* symbol) {
  const Lock lock(mutex());
  const auto found = variables().find(symbol);
  if (found == variables().end()) return answer(cudaErrorInvalidSymbol);
  Variable& variable = found->second;
  if (!variable.memory) {
    variable.memory = memory().allocate(variable.bytes, current_device());
    if (!variable.memory) return answer(cudaErrorMemoryAllocation);
    std::memset(variable.memory, 0, variable.bytes);
  }
  *pointer = variable.memory;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* from, size_t bytes, size_t offset,
                                        cudaMemcpyKind) {
  const Lock lock(mutex());
  void* to = nullptr;
  if (const auto failed = cudaGetSymbolAddress(&to, symbol)) return failed;
  std::memcpy(static_cast<char*>(to) + offset, from, bytes);
  return cudaSuccess;
}

MOCK_API cudaError_t __cudaGetKernel(void** kernel, const void* function) {
  *kernel = const_cast<void*>(function);
  return cudaSuccess;
}

MOCK_API cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  const Lock lock(mutex());
  const auto found = kernels().find(function);
  if (found == kernels().end()) return answer(cudaErrorInvalidDeviceFunction);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value > mock_chip().most_shared_bytes) {
    look_up(found->second);
    violation("%s asks for %d bytes of shared memory, sm_%d has %d", found->second.name.c_str(), value, settings().sm,
              mock_chip().most_shared_bytes);
    return answer(cudaErrorInvalidValue);
  }
  found->second.most_shared_bytes = value;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  const Lock lock(mutex());
  std::memset(attributes, 0, sizeof(*attributes));
  const auto found = kernels().find(function);
  if (found == kernels().end()) return answer(cudaErrorInvalidDeviceFunction);
  attributes->maxThreadsPerBlock = 1024;
  attributes->numRegs = 64;
  attributes->maxDynamicSharedSizeBytes = found->second.most_shared_bytes;
  attributes->binaryVersion = attributes->ptxVersion = settings().sm;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int, size_t,
                                                                            unsigned) {
  *blocks = 2;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int, size_t) {
  *blocks = 2;
  return cudaSuccess;
}

}  // namespace cuda_mock
