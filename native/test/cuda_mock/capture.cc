// Recording of streams: see the rules of stream capture in the CUDA programming guide.
#include <algorithm>

#include "test/cuda_mock/state.h"

namespace cuda_mock {
namespace {

uint64_t next_id = 1;

cudaStreamCaptureMode& thread_mode() {
  static thread_local cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  return mode;
}

/// Whether every node that the recording's streams end with comes before the origin's end.
bool joined(const Capture& capture) {
  std::set<const Node*> reached;
  std::vector<const Node*> open(capture.origin->recorded_tail.begin(), capture.origin->recorded_tail.end());
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (!reached.insert(node).second) continue;
    open.insert(open.end(), node->after.begin(), node->after.end());
  }
  return std::all_of(capture.streams.begin(), capture.streams.end(), [&](const Stream* stream) {
    return std::all_of(stream->recorded_tail.begin(), stream->recorded_tail.end(),
                       [&](const Node* node) { return reached.contains(node); });
  });
}

void leave(Capture& capture) {
  for (Stream* stream : capture.streams) {
    stream->capture = nullptr;
    stream->recorded_tail.clear();
  }
}

cudaError_t begin_recording(cudaStream_t handle, Graph* graph, std::vector<Node*> after, cudaStreamCaptureMode mode) {
  if (const auto failed = begin(Call::capture)) return failed;
  Stream& stream = stream_of(handle);
  if (!streams().contains(&stream)) {
    violation("recording of the legacy stream");
    return answer(cudaErrorStreamCaptureUnsupported);
  }
  if (stream.capture) return answer(cudaErrorIllegalState);
  if (!settings().record) return answer(cudaErrorStreamCaptureUnsupported);
  auto capture = std::make_shared<Capture>();
  capture->id = next_id++;
  capture->graph = graph ? graph : new Graph;
  capture->origin = &stream;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->streams = {&stream};
  captures().insert(capture);
  stream.capture = std::move(capture);
  stream.recorded_tail = std::move(after);
  return cudaSuccess;
}

}  // namespace

Node* Graph::add(WorkPtr work, std::vector<Node*> after) {
  nodes.push_back(std::make_unique<Node>(std::move(work), std::move(after), nodes.size()));
  return nodes.back().get();
}

std::set<std::shared_ptr<Capture>>& captures() {
  static auto& instance = *new std::set<std::shared_ptr<Capture>>;
  return instance;
}

cudaError_t invalidate(Capture& capture, cudaError_t status, const char*) {
  if (capture.invalid == cudaSuccess) capture.invalid = status;
  return answer(status);
}

cudaError_t forbid_while_recording(const char* call) {
  if (thread_mode() == cudaStreamCaptureModeRelaxed) return cudaSuccess;
  bool forbidden = false;
  for (const auto& capture : captures()) {
    if (capture->mode == cudaStreamCaptureModeRelaxed) continue;
    const bool own = capture->thread == std::this_thread::get_id();
    const bool global = capture->mode == cudaStreamCaptureModeGlobal && thread_mode() == cudaStreamCaptureModeGlobal;
    if (!own && !global) continue;
    violation("%s while a stream is recorded", call);
    invalidate(*capture, cudaErrorStreamCaptureUnsupported, call);
    forbidden = true;
  }
  return forbidden ? answer(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}

MOCK_API cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(thread_mode(), *mode);
  return cudaSuccess;
}

MOCK_API cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const Lock lock(mutex());
  return begin_recording(stream, nullptr, {}, mode);
}

MOCK_API cudaError_t cudaStreamBeginCaptureToGraph(cudaStream_t stream, cudaGraph_t graph, const cudaGraphNode_t* after,
                                                   const cudaGraphEdgeData*, size_t count, cudaStreamCaptureMode mode) {
  const Lock lock(mutex());
  std::vector<Node*> nodes;
  for (size_t i = 0; i < count; ++i) nodes.push_back(reinterpret_cast<Node*>(after[i]));
  return begin_recording(stream, reinterpret_cast<Graph*>(graph), std::move(nodes), mode);
}

MOCK_API cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  const Lock lock(mutex());
  *graph = nullptr;
  Stream& stream = stream_of(handle);
  const std::shared_ptr<Capture> capture = stream.capture;
  if (!capture) return answer(cudaErrorIllegalState);
  if (capture->origin != &stream) return answer(cudaErrorStreamCaptureUnmatched);
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id()) {
    violation("a recording is ended by another thread");
    return answer(cudaErrorStreamCaptureWrongThread);
  }
  cudaError_t status = begin(Call::capture);
  if (status == cudaSuccess && capture->invalid != cudaSuccess) status = cudaErrorStreamCaptureInvalidated;
  if (status == cudaSuccess && !joined(*capture)) {
    violation("a recording ends with a stream that has not been joined");
    status = cudaErrorStreamCaptureUnjoined;
  }
  leave(*capture);
  captures().erase(capture);
  if (status == cudaSuccess) *graph = reinterpret_cast<cudaGraph_t>(capture->graph);
  // The graph of a failed recording is left: somebody may hold it from cudaStreamGetCaptureInfo.
  return answer(status);
}

MOCK_API cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const Lock lock(mutex());
  const Stream& stream = stream_of(handle);
  *status = !stream.capture                          ? cudaStreamCaptureStatusNone
            : stream.capture->invalid == cudaSuccess ? cudaStreamCaptureStatusActive
                                                     : cudaStreamCaptureStatusInvalidated;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaStreamGetCaptureInfo(cudaStream_t handle, cudaStreamCaptureStatus* status,
                                              unsigned long long* id, cudaGraph_t* graph, const cudaGraphNode_t** after,
                                              const cudaGraphEdgeData** edges, size_t* count) {
  const Lock lock(mutex());
  Stream& stream = stream_of(handle);
  cudaStreamIsCapturing(handle, status);
  if (edges) *edges = nullptr;
  if (!stream.capture) {
    if (count) *count = 0;
    return cudaSuccess;
  }
  if (id) *id = stream.capture->id;
  if (graph) *graph = reinterpret_cast<cudaGraph_t>(stream.capture->graph);
  if (after) *after = reinterpret_cast<const cudaGraphNode_t*>(stream.recorded_tail.data());
  if (count) *count = stream.recorded_tail.size();
  return cudaSuccess;
}

MOCK_API cudaError_t cudaStreamUpdateCaptureDependencies(cudaStream_t handle, cudaGraphNode_t* nodes,
                                                         const cudaGraphEdgeData*, size_t count, unsigned flags) {
  const Lock lock(mutex());
  Stream& stream = stream_of(handle);
  if (!stream.capture) return answer(cudaErrorIllegalState);
  if (flags == cudaStreamSetCaptureDependencies) stream.recorded_tail.clear();
  for (size_t i = 0; i < count; ++i) stream.recorded_tail.push_back(reinterpret_cast<Node*>(nodes[i]));
  return cudaSuccess;
}

}  // namespace cuda_mock
