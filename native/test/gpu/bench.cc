// See bench.h: how a benchmark is timed and told.
#include "test/gpu/bench.h"

#include <algorithm>
#include <cstdio>

#include "core/errors.h"
#include "core/host_device.h"
#include "test/check.h"

namespace rdrop::test {
namespace {

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) fail(ErrorCode::cuda_failed, what, ": ", cudaGetErrorString(status));
}

struct Timing {
  double median, p10, p90;  // seconds
  int repetitions;
};

Timing spread(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  const auto at = [&](double q) { return seconds[std::min(seconds.size() - 1, size_t(q * double(seconds.size())))]; };
  return {at(0.5), at(0.1), at(0.9), int(seconds.size())};
}

/// Launches as a recorded graph, as a training step has them: the seconds of one launch, over so many replays.
Timing time_recorded(const std::vector<Launch>& launches, int replays) {
  // The benchmarks' numbers were written on the default stream, for which this one does not wait.
  check(cudaDeviceSynchronize(), "a benchmark's numbers");
  cudaStream_t stream;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream");
  cudaGraph_t graph;
  cudaGraphExec_t recorded;
  for (const Launch& launch : launches) launch(stream);  // warm
  check(cudaStreamSynchronize(stream), "a benchmark");
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "capture");
  for (const Launch& launch : launches) launch(stream);
  check(cudaStreamEndCapture(stream, &graph), "capture");
  check(cudaGraphInstantiate(&recorded, graph, 0), "a graph");
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin), "an event");
  check(cudaEventCreate(&end), "an event");
  std::vector<double> seconds;
  for (int i = -2; i < replays; ++i) {
    check(cudaEventRecord(begin, stream), "an event");
    check(cudaGraphLaunch(recorded, stream), "a replay");
    check(cudaEventRecord(end, stream), "an event");
    check(cudaEventSynchronize(end), "a replay");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "an event");
    if (i >= 0) seconds.push_back(double(milliseconds) / 1e3 / double(launches.size()));
  }
  cudaGraphExecDestroy(recorded);
  cudaGraphDestroy(graph);
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  cudaStreamDestroy(stream);
  return spread(std::move(seconds));
}

std::string json_of(const Timing& time) {
  char text[160];
  std::snprintf(text, sizeof(text), "\"median\":%.4g,\"p10\":%.4g,\"p90\":%.4g,\"repetitions\":%d", time.median,
                time.p10, time.p90, time.repetitions);
  return text;
}

std::string json_of(const Benchmark& benchmark) {
  std::string text = std::string("\"row\":\"") + (benchmark.direction.empty() ? "kernel" : "loss") +
                     "\",\"side\":\"rdrop\",\"part\":\"" + benchmark.part + "\",\"phase\":\"" + benchmark.phase +
                     "\",\"precision\":\"" + benchmark.precision + "\",\"shape\":\"" + benchmark.shape +
                     "\",\"bytes\":" + std::to_string(benchmark.bytes);
  if (!benchmark.direction.empty()) {
    text += ",\"direction\":\"" + benchmark.direction + "\",\"rows\":" + std::to_string(benchmark.rows) +
            ",\"classes\":" + std::to_string(benchmark.classes);
  }
  return text;
}

/// The device's own copy of half as many bytes, which are read and written.
Benchmark copy_of(int64_t bytes) {
  const auto prepare = [bytes](BenchMemory& memory) -> Launch {
    char* from = memory.zeros<char>(bytes / 2);
    char* to = memory.empty<char>(bytes / 2);
    return [=](void* stream) {
      check(cudaMemcpyAsync(to, from, size_t(bytes / 2), cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(stream)),
            "a copy");
    };
  };
  return {"copy", "forward", "", std::to_string(bytes / 2) + " bytes", bytes, prepare, "", 0, 0};
}

Timing measure(const Benchmark& benchmark, int64_t cache_bytes, int replays) {
  BenchMemory memory;
  const int64_t sets = std::clamp<int64_t>(2 * cache_bytes / std::max<int64_t>(benchmark.bytes, 1) + 1, 2, 24);
  std::vector<Launch> launches;
  for (int64_t i = 0; i < sets; ++i) launches.push_back(benchmark.prepare(memory));
  return time_recorded(launches, replays);
}

constexpr BenchShapes kReal{7200, 512, 1024, 10152, 3584, 36741120, 0};
constexpr BenchShapes kQuick{75, 64, 136, 203, 40, 20000, 0};

std::vector<Benchmark> all_benchmarks(const BenchShapes& shapes) {
  std::vector<Benchmark> all = loss_benchmarks(shapes);
  for (Benchmark& benchmark : kernel_benchmarks(shapes)) all.push_back(std::move(benchmark));
  return all;
}

}  // namespace

BenchMemory::~BenchMemory() {
  for (void* block : blocks_) cudaFree(block);
}

void* BenchMemory::bytes(size_t count) {
  void* block = nullptr;
  check(cudaMalloc(&block, std::max<size_t>(count, 1)), "memory for a benchmark");
  blocks_.push_back(block);
  return block;
}

void BenchMemory::copy_to(void* to, const void* from, size_t count) {
  check(cudaMemcpy(to, from, count, cudaMemcpyHostToDevice), "a benchmark's numbers");
}

void BenchMemory::set(void* to, size_t count) {
  check(cudaMemset(to, 0, count), "a benchmark's numbers");
}

template <typename T>
T* BenchMemory::normal(int64_t count, uint64_t seed, double deviation) {
  // An odd length, so that the rows of a matrix are not alike.
  const Array<T> block(test::normal(size_t(std::min<int64_t>(count, (1 << 18) + 7)), seed, deviation));
  T* to = empty<T>(count);
  for (int64_t at = 0; at < count; at += int64_t(block.size())) {
    copy_to(to + at, block.data(), size_t(std::min<int64_t>(int64_t(block.size()), count - at)) * sizeof(T));
  }
  return to;
}
template float* BenchMemory::normal<float>(int64_t, uint64_t, double);
template Bfloat16* BenchMemory::normal<Bfloat16>(int64_t, uint64_t, double);

int list_benchmarks() {
  for (const Benchmark& benchmark : all_benchmarks(kReal)) std::printf("{%s}\n", json_of(benchmark).c_str());
  return 0;
}

int run_benchmarks(bool quick) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0), "the device");
  BenchShapes shapes = quick ? kQuick : kReal;
  shapes.multiprocessors = properties.multiProcessorCount;
  const int replays = quick ? 2 : 40;
  const int64_t cache = quick ? 1 << 16 : int64_t(properties.l2CacheSize);

  int status = 0;
  const std::string differs = compare_loss(shapes);
  if (!differs.empty()) status = 1;
  std::printf(
      "{\"row\":\"correct\",\"what\":\"the loss at 2 x %lld x %lld in bfloat16 against the "
      "CPU's\",\"differs\":\"%s\"}\n",
      static_cast<long long>(shapes.positions), static_cast<long long>(shapes.types), differs.c_str());

  // The copy of as much as the largest loss moves; the others are compared with its bandwidth as well.
  double copy_bandwidth = 0;
  for (const Benchmark& benchmark : all_benchmarks(shapes)) {
    std::string more;
    if (!benchmark.direction.empty() || copy_bandwidth == 0) {
      const Benchmark copy = copy_of(benchmark.bytes);
      const Timing time = measure(copy, cache, replays);
      copy_bandwidth = double(copy.bytes) / time.median;
      more = ",\"copy\":{" + json_of(time) + "}";
    }
    const Timing time = measure(benchmark, cache, replays);
    const double bandwidth = double(benchmark.bytes) / time.median;
    std::printf("{%s,%s,\"gigabytesPerSecond\":%.5g,\"shareOfCopy\":%.4g%s}\n", json_of(benchmark).c_str(),
                json_of(time).c_str(), bandwidth / 1e9, bandwidth / copy_bandwidth, more.c_str());
    std::fflush(stdout);
  }
  return status;
}

}  // namespace rdrop::test
