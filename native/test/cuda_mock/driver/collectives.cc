// NCCL's collectives on the mock: see commands.h.
#include <cuda_runtime.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <thread>

#include "core/host_device.h"
#include "test/cuda_mock/driver/commands.h"
#include "test/cuda_mock/driver/mock.h"
#include "test/cuda_mock/nccl_types.h"

using cuda_mock::NcclId;
using cuda_mock::NcclReduction;
using cuda_mock::NcclResult;
using cuda_mock::NcclType;

extern "C" {
NcclResult ncclCommInitRank(void** communicator, int ranks, NcclId id, int rank);
NcclResult ncclCommDestroy(void* communicator);
NcclResult ncclCommAbort(void* communicator);
NcclResult ncclGroupStart();
NcclResult ncclGroupEnd();
NcclResult ncclAllReduce(const void*, void*, size_t, NcclType, NcclReduction, void* communicator, cudaStream_t);
NcclResult ncclBroadcast(const void*, void*, size_t, NcclType, int root, void* communicator, cudaStream_t);
NcclResult ncclAllGather(const void*, void*, size_t, NcclType, void* communicator, cudaStream_t);
NcclResult ncclReduceScatter(const void*, void*, size_t, NcclType, NcclReduction, void* communicator, cudaStream_t);
}

namespace cuda_mock::driver {
namespace {

constexpr size_t kCount = 12;  // elements; divisible by 2, 3 and 4 ranks

/// A rank with its device, stream, communicator, and two buffers.
class Rank {
 public:
  Rank(const std::string& id, int rank, int size, int device) : rank_(rank), size_(size) {
    NcclId nccl_id{};
    std::snprintf(nccl_id.text, sizeof(nccl_id.text), "%s", id.c_str());
    cudaSetDevice(device);
    cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
    for (void*& buffer : buffers_) cudaMalloc(&buffer, kBytes);
    cudaMallocHost(&host_, kBytes);
    initialized_ = ncclCommInitRank(&communicator_, size, nccl_id, rank) == kNcclSuccess;
    if (!initialized_) fault("ncclCommInitRank");
  }

  std::vector<std::string> faults;

  void run(bool alone) {
    if (!initialized_) return;
    if (alone) return abort_alone();
    reductions<float>(kNcclFloat32, "float32");
    reductions<double>(kNcclFloat64, "float64");
    reductions<int32_t>(kNcclInt32, "int32");
    reductions<rdrop::Bfloat16>(kNcclBfloat16, "bfloat16");
    reductions<rdrop::Half>(kNcclFloat16, "float16");
    moves();
    recorded();
    if (ncclCommDestroy(communicator_) != kNcclSuccess) fault("ncclCommDestroy");
  }

 private:
  static constexpr size_t kBytes = kCount * 4 * sizeof(double);

  void fault(const std::string& what) { faults.push_back("rank " + std::to_string(rank_) + ": " + what); }

  /// What a rank brings: small whole numbers, exact in every type.
  static double value(int rank, size_t i, int round = 0) { return double(rank + 1) * double(i % 5 + 1) + round; }

  template <class T>
  static T element(double x) {
    if constexpr (std::is_arithmetic_v<T>) {
      return T(x);
    } else {
      T out;
      rdrop::portable::assign(out, float(x));
      return out;
    }
  }
  template <class T>
  static double number(T x) {
    if constexpr (std::is_arithmetic_v<T>) {
      return double(x);
    } else {
      return rdrop::portable::to_float(x);
    }
  }

  template <class T>
  void put(int round = 0) {
    cudaStreamSynchronize(stream_);
    for (size_t i = 0; i < kCount; ++i) static_cast<T*>(host_)[i] = element<T>(value(rank_, i, round));
    cudaMemcpyAsync(buffers_[0], host_, kCount * sizeof(T), cudaMemcpyHostToDevice, stream_);
  }

  template <class T>
  void expect(const std::string& what, const void* buffer, size_t count, const std::function<double(size_t)>& wanted) {
    std::vector<T> got(count);
    cudaMemcpyAsync(got.data(), buffer, count * sizeof(T), cudaMemcpyDeviceToHost, stream_);
    cudaStreamSynchronize(stream_);
    for (size_t i = 0; i < count; ++i) {
      if (number(got[i]) == wanted(i)) continue;
      return fault(what + ": element " + std::to_string(i) + " is " + std::to_string(number(got[i])) + ", not " +
                   std::to_string(wanted(i)));
    }
  }

  double sum(size_t i, int round = 0) const {
    double sum = 0;
    for (int rank = 0; rank < size_; ++rank) sum += value(rank, i, round);
    return sum;
  }

  template <class T>
  void reductions(NcclType type, const std::string& name) {
    const auto reduce = [&](NcclReduction reduction, const std::function<double(size_t)>& wanted) {
      put<T>();
      ncclAllReduce(buffers_[0], buffers_[0], kCount, type, reduction, communicator_, stream_);
      expect<T>(name + " reduction " + std::to_string(reduction), buffers_[0], kCount, wanted);
    };
    reduce(kNcclSum, [&](size_t i) { return sum(i); });
    reduce(kNcclMax, [&](size_t i) { return value(size_ - 1, i); });
    reduce(kNcclMin, [&](size_t i) { return value(0, i); });
    if (size_ % 2 == 0 || type == kNcclInt32) return;  // the others' averages are not exact
    reduce(kNcclAverage, [&](size_t i) { return sum(i) / size_; });
  }

  void moves() {
    put<float>();
    ncclBroadcast(buffers_[0], buffers_[1], kCount, kNcclFloat32, size_ - 1, communicator_, stream_);
    expect<float>("broadcast", buffers_[1], kCount, [&](size_t i) { return value(size_ - 1, i); });
    ncclAllGather(buffers_[0], buffers_[1], kCount, kNcclFloat32, communicator_, stream_);
    expect<float>("all-gather", buffers_[1], kCount * size_t(size_),
                  [&](size_t i) { return value(int(i / kCount), i % kCount); });
    const size_t part = kCount / size_t(size_);
    ncclReduceScatter(buffers_[0], buffers_[1], part, kNcclFloat32, kNcclSum, communicator_, stream_);
    expect<float>("reduce-scatter", buffers_[1], part, [&](size_t i) { return sum(size_t(rank_) * part + i); });
    // Two of a group, on buffers of their own.
    ncclGroupStart();
    ncclAllReduce(buffers_[0], buffers_[1], kCount, kNcclFloat32, kNcclSum, communicator_, stream_);
    ncclAllReduce(buffers_[1], buffers_[1], kCount, kNcclFloat32, kNcclMax, communicator_, stream_);
    ncclGroupEnd();
    expect<float>("group", buffers_[1], kCount, [&](size_t i) { return sum(i); });
  }

  /// A graph with a copy, an all-reduce and another copy, launched several times on other values.
  void recorded() {
    cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal);
    cudaMemcpyAsync(buffers_[1], buffers_[0], kCount * sizeof(float), cudaMemcpyDeviceToDevice, stream_);
    ncclAllReduce(buffers_[1], buffers_[1], kCount, kNcclFloat32, kNcclSum, communicator_, stream_);
    cudaMemcpyAsync(buffers_[0], buffers_[1], kCount * sizeof(float), cudaMemcpyDeviceToDevice, stream_);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    if (cudaStreamEndCapture(stream_, &graph) != cudaSuccess) return fault("the recording of an all-reduce");
    cudaGraphInstantiateWithFlags(&exec, graph, 0);
    for (int round = 0; round < 3; ++round) {
      put<float>(round);
      cudaGraphLaunch(exec, stream_);
      expect<float>("recorded all-reduce", buffers_[0], kCount, [&](size_t i) { return sum(i, round); });
    }
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(graph);
  }

  /// An all-reduce that no peer joins: it waits until another thread aborts, and leaves its buffer as it was.
  void abort_alone() {
    put<float>();
    ncclAllReduce(buffers_[0], buffers_[0], kCount, kNcclFloat32, kNcclSum, communicator_, stream_);
    if (cudaStreamQuery(stream_) != cudaErrorNotReady) fault("an all-reduce without its peers is done");
    std::thread watchdog([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      if (cudaStreamQuery(stream_) != cudaErrorNotReady) fault("an all-reduce without its peers is done");
      if (ncclCommAbort(communicator_) != kNcclSuccess) fault("ncclCommAbort");
    });
    expect<float>("aborted all-reduce", buffers_[0], kCount, [&](size_t i) { return value(rank_, i); });
    watchdog.join();
  }

  int rank_, size_;
  bool initialized_ = false;
  cudaStream_t stream_ = nullptr;
  void* buffers_[2] = {};
  void* host_ = nullptr;
  void* communicator_ = nullptr;
};

}  // namespace

int collectives(const Options& options) {
  const int size = int(options.number("size", 2));
  const std::string id = options.text("id", "cuda_mock_driver");
  const bool threads = options.number("threads", 0) != 0;
  const bool alone = options.number("alone", 0) != 0;
  std::vector<std::string> faults[8];
  const auto run = [&](int rank, int device) {
    Rank one(id, rank, size, device);
    // One that is left alone has peers which joined and end without a word.
    if (!alone || rank == 0) one.run(alone);
    faults[rank] = one.faults;
  };
  if (threads) {
    std::vector<std::thread> all;
    for (int rank = 0; rank < size; ++rank) all.emplace_back(run, rank, rank);
    for (std::thread& thread : all) thread.join();
  } else {
    run(int(options.number("rank", 0)), 0);
  }
  std::vector<std::string> all;
  for (const auto& some : faults) all.insert(all.end(), some.begin(), some.end());
  const auto broken = violations();
  std::printf("{\"faults\":%s,\"violations\":%s}\n", json_list(all).c_str(), json_list(broken).c_str());
  return all.empty() && broken.empty() ? 0 : 1;
}

}  // namespace cuda_mock::driver
