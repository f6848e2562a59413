// Whether the mock notices what a chip would refuse or do wrong: each rule is broken once. See commands.h.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstring>

#include "test/cuda_mock/driver/commands.h"
#include "test/cuda_mock/driver/mock.h"

namespace cuda_mock::driver {
namespace {

constexpr size_t kCount = 256, kBytes = kCount * sizeof(float);

struct Streams {
  Streams() {
    cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    for (float*& memory : device) cudaMalloc(reinterpret_cast<void**>(&memory), kBytes);
    cudaMallocHost(reinterpret_cast<void**>(&pinned), kBytes);
  }
  cudaStream_t first, second;
  cudaEvent_t event;
  float* device[3];
  float* pinned;
};

float first_value(const void* memory) {
  float value;
  cudaMemcpy(&value, memory, sizeof(value), cudaMemcpyDeviceToHost);
  return value;
}

/// Ends a recording and says with which status; what was recorded is thrown away.
cudaError_t end(cudaStream_t stream) {
  cudaGraph_t graph = nullptr;
  const cudaError_t status = cudaStreamEndCapture(stream, &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();
  return status;
}

cudaError_t malloc_in_capture(Streams& s) {
  void* memory = nullptr;
  cudaStreamBeginCapture(s.first, cudaStreamCaptureModeThreadLocal);
  cudaMalloc(&memory, kBytes);
  return end(s.first);
}

cudaError_t synchronize_in_capture(Streams& s) {
  cudaStreamBeginCapture(s.first, cudaStreamCaptureModeThreadLocal);
  cudaStreamSynchronize(s.first);
  return end(s.first);
}

cudaError_t legacy_stream_in_capture(Streams& s) {
  cudaStreamBeginCapture(s.first, cudaStreamCaptureModeThreadLocal);
  cudaMemsetAsync(s.device[0], 0, kBytes, nullptr);
  return end(s.first);
}

cudaError_t fork_that_is_not_joined(Streams& s) {
  cudaStreamBeginCapture(s.first, cudaStreamCaptureModeThreadLocal);
  cudaEventRecord(s.event, s.first);
  cudaStreamWaitEvent(s.second, s.event, 0);
  cudaMemsetAsync(s.device[0], 0, kBytes, s.second);
  return end(s.first);
}

cudaError_t event_outside_the_capture(Streams& s) {
  cudaEventRecord(s.event, s.second);
  cudaStreamBeginCapture(s.first, cudaStreamCaptureModeThreadLocal);
  cudaStreamWaitEvent(s.first, s.event, 0);
  return end(s.first);
}

cudaError_t pageable_copy_in_capture(Streams& s) {
  float host[kCount] = {};
  cudaStreamBeginCapture(s.first, cudaStreamCaptureModeThreadLocal);
  cudaMemcpyAsync(s.device[0], host, kBytes, cudaMemcpyHostToDevice, s.first);
  return end(s.first);
}

/// Relaxed, a thread may allocate while it records, as libtorch's allocator does: no violation.
cudaError_t relaxed_malloc_in_capture(Streams& s) {
  void* memory = nullptr;
  cudaStreamBeginCapture(s.first, cudaStreamCaptureModeThreadLocal);
  auto mode = cudaStreamCaptureModeRelaxed;
  cudaThreadExchangeStreamCaptureMode(&mode);
  cudaMalloc(&memory, kBytes);
  cudaThreadExchangeStreamCaptureMode(&mode);
  return end(s.first);
}

cudaError_t pinned_memory_written_too_early(Streams& s) {
  std::memset(s.pinned, 0, kBytes);
  cudaMemcpyAsync(s.device[0], s.pinned, kBytes, cudaMemcpyHostToDevice, s.first);
  s.pinned[0] = 1;
  return cudaStreamSynchronize(s.first);
}

cudaError_t graph_uses_freed_memory(Streams& s) {
  void* memory = nullptr;
  cudaMalloc(&memory, kBytes);
  cudaStreamBeginCapture(s.first, cudaStreamCaptureModeThreadLocal);
  cudaMemsetAsync(memory, 0, kBytes, s.first);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  cudaStreamEndCapture(s.first, &graph);
  cudaGraphInstantiateWithFlags(&exec, graph, 0);
  cudaFree(memory);
  cudaGraphLaunch(exec, s.first);
  cudaStreamSynchronize(s.first);
  cudaGraphExecDestroy(exec);
  return cudaGraphDestroy(graph);
}

cudaError_t dependent_launch_after_a_fill(Streams& s) {
  cudaStreamBeginCapture(s.first, cudaStreamCaptureModeThreadLocal);
  cudaMemsetAsync(s.device[0], 0, kBytes, s.first);
  cudaLaunchAttribute attribute;
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = config.blockDim = 1;
  config.stream = s.first;
  config.attrs = &attribute;
  config.numAttrs = 1;
  cudaLaunchKernelExC(&config, nullptr, nullptr);  // noticed before the missing kernel is
  return end(s.first);
}

cudaError_t copy_beyond_the_end(Streams& s) {
  cudaMemcpyAsync(s.device[0], s.device[1], kBytes + 4096, cudaMemcpyDeviceToDevice, s.first);
  return cudaStreamSynchronize(s.first);
}

struct Rule {
  const char* name;
  cudaError_t (*broken)(Streams&);
  cudaError_t status;
  const char* violation;  ///< part of its text; empty: none
};

constexpr Rule kRules[] = {
    {"malloc in a capture", malloc_in_capture, cudaErrorStreamCaptureInvalidated, "cudaMalloc while"},
    {"synchronize in a capture", synchronize_in_capture, cudaErrorStreamCaptureInvalidated, "cudaStreamSynchronize"},
    {"legacy stream in a capture", legacy_stream_in_capture, cudaErrorStreamCaptureInvalidated, "legacy stream"},
    {"fork that is not joined", fork_that_is_not_joined, cudaErrorStreamCaptureUnjoined, "not been joined"},
    {"event outside the capture", event_outside_the_capture, cudaErrorStreamCaptureInvalidated,
     "outside the recording"},
    {"pageable copy in a capture", pageable_copy_in_capture, cudaErrorStreamCaptureInvalidated, "pageable"},
    {"relaxed malloc in a capture", relaxed_malloc_in_capture, cudaSuccess, ""},
    {"pinned memory written too early", pinned_memory_written_too_early, cudaSuccess, "pinned memory"},
    {"graph that uses freed memory", graph_uses_freed_memory, cudaSuccess, "not allocated"},
    {"dependent launch after a fill", dependent_launch_after_a_fill, cudaSuccess, "something else than one kernel"},
    {"copy beyond the end", copy_beyond_the_end, cudaSuccess, "not allocated"},
};

/// Two copies on two streams with an event between them, or without: the value that arrives.
float arrived(Streams& s, uint64_t order, bool ordered) {
  mock_order(order);
  const float values[] = {1, 2};
  cudaMemcpy(s.device[0], &values[0], sizeof(float), cudaMemcpyHostToDevice);
  cudaMemcpy(s.device[1], &values[1], sizeof(float), cudaMemcpyHostToDevice);
  cudaMemcpyAsync(s.device[0], s.device[1], sizeof(float), cudaMemcpyDeviceToDevice, s.first);
  if (ordered) {
    cudaEventRecord(s.event, s.first);
    cudaStreamWaitEvent(s.second, s.event, 0);
  }
  cudaMemcpyAsync(s.device[2], s.device[0], sizeof(float), cudaMemcpyDeviceToDevice, s.second);
  cudaDeviceSynchronize();
  const float value = first_value(s.device[2]);
  mock_order(0);
  return value;
}

}  // namespace

int rules(const Options&) {
  Streams streams;
  std::vector<std::string> faults;
  for (const Rule& rule : kRules) {
    mock_forget_violations();
    const cudaError_t status = rule.broken(streams);
    const auto seen = violations();
    const bool told =
        *rule.violation ? seen.size() == 1 && seen[0].find(rule.violation) != std::string::npos : seen.empty();
    if (status == rule.status && told) continue;
    faults.push_back(std::string(rule.name) + ": status " + std::to_string(status) + ", violations " + json_list(seen));
  }
  mock_forget_violations();
  // Work on two streams runs in either order where nothing says which; with an event only in one.
  if (arrived(streams, 0, false) != 2 || arrived(streams, 1, false) != 1)
    faults.push_back("two streams: one order alone");
  for (uint64_t order = 0; order < 20; ++order) {
    if (arrived(streams, order, true) != 2) faults.push_back("an event did not order two streams");
  }
  std::printf("{\"rules\":%zu,\"faults\":%s}\n", std::size(kRules), json_list(faults).c_str());
  return faults.empty() ? 0 : 1;
}

}  // namespace cuda_mock::driver
