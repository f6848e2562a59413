// Streams and events.
#include <algorithm>

#include "test/cuda_mock/memory.h"
#include "test/cuda_mock/state.h"

namespace cuda_mock {
namespace {

/// The legacy stream of each device.
Stream& legacy_stream(int device) {
  static std::vector<Stream*>& all = *new std::vector<Stream*>;
  while (int(all.size()) <= device) {
    all.push_back(new Stream);
    all.back()->device = int(all.size()) - 1;
    all.back()->blocking = true;
  }
  return *all[size_t(device)];
}

bool is_legacy(const Stream& stream) {
  return &stream == &legacy_stream(stream.device);
}

Event& event_of(cudaEvent_t handle) {
  return *reinterpret_cast<Event*>(handle);
}

cudaError_t create(cudaStream_t* handle, unsigned flags, int priority) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::stream)) return failed;
  auto* stream = new Stream;
  stream->device = current_device();
  stream->blocking = (flags & cudaStreamNonBlocking) == 0;
  stream->priority = priority;
  streams().insert(stream);
  *handle = reinterpret_cast<cudaStream_t>(stream);
  return cudaSuccess;
}

}  // namespace

std::set<Stream*>& streams() {
  static auto& instance = *new std::set<Stream*>;
  return instance;
}

Stream& stream_of(cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) return legacy_stream(current_device());
  auto* stream = reinterpret_cast<Stream*>(handle);
  if (!streams().contains(stream)) {
    violation("a stream that does not exist (%p) is used", static_cast<void*>(handle));
    return legacy_stream(current_device());
  }
  return *stream;
}

std::vector<TaskPtr> predecessors(Stream& stream) {
  prune(stream.tail);
  std::vector<TaskPtr> after = stream.tail;
  const auto add = [&](Stream& other) { after.insert(after.end(), other.tail.begin(), other.tail.end()); };
  if (is_legacy(stream)) {
    for (Stream* other : streams()) {
      if (other->device == stream.device && other->blocking) add(*other);
    }
  } else if (stream.blocking) {
    add(legacy_stream(stream.device));
  }
  return after;
}

void finish(Stream& stream) {
  queue().run_until_done(predecessors(stream));
}

cudaError_t submit(Stream& stream, Work work, const std::vector<TaskPtr>& after) {
  if (stream.device != current_device()) {
    violation("%s %s on a stream of device %d while device %d is the current one", name_of(work.kind),
              work.name.c_str(), stream.device, current_device());
    return answer(cudaErrorInvalidResourceHandle);
  }
  if (is_legacy(stream)) {
    for (const auto& capture : captures()) {
      if (capture->thread != std::this_thread::get_id()) continue;
      violation("%s %s on the legacy stream while this thread records", name_of(work.kind), work.name.c_str());
      return invalidate(*capture, cudaErrorStreamCaptureImplicit, "legacy stream");
    }
  }
  auto shared = std::make_shared<const Work>(std::move(work));
  if (stream.capture) {
    if (stream.capture->invalid != cudaSuccess) return answer(cudaErrorStreamCaptureInvalidated);
    stream.recorded_tail = {stream.capture->graph->add(std::move(shared), stream.recorded_tail)};
    return cudaSuccess;
  }
  std::vector<TaskPtr> earlier = predecessors(stream);
  earlier.insert(earlier.end(), after.begin(), after.end());
  stream.tail = {queue().add(std::move(shared), stream.device, earlier)};
  return cudaSuccess;
}

MOCK_API cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  return create(stream, flags, priority);
}

MOCK_API cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return create(stream, flags, 0);
}

MOCK_API cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return create(stream, 0, 0);
}

MOCK_API cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  const Lock lock(mutex());
  auto* stream = reinterpret_cast<Stream*>(handle);
  if (streams().erase(stream) == 0) return answer(cudaErrorInvalidResourceHandle);
  if (stream->capture) violation("a stream is destroyed while it is recorded");
  delete stream;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  const Lock lock(mutex());
  *priority = stream_of(stream).priority;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::wait)) return failed;
  Stream& stream = stream_of(handle);
  if (stream.capture) {
    violation("cudaStreamSynchronize of a stream that is recorded");
    return invalidate(*stream.capture, cudaErrorStreamCaptureUnsupported, "cudaStreamSynchronize");
  }
  if (const auto forbidden = forbid_while_recording("cudaStreamSynchronize")) return forbidden;
  finish(stream);
  return cudaSuccess;
}

MOCK_API cudaError_t cudaStreamQuery(cudaStream_t handle) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::wait)) return failed;
  Stream& stream = stream_of(handle);
  if (stream.capture) return invalidate(*stream.capture, cudaErrorStreamCaptureUnsupported, "cudaStreamQuery");
  queue().run_one();
  return predecessors(stream).empty() ? cudaSuccess : cudaErrorNotReady;
}

MOCK_API cudaError_t cudaDeviceSynchronize() {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::wait)) return failed;
  if (const auto forbidden = forbid_while_recording("cudaDeviceSynchronize")) return forbidden;
  queue().run_all(current_device());
  return cudaSuccess;
}

MOCK_API cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::event)) return failed;
  auto* event = new Event;
  event->device = current_device();
  *handle = reinterpret_cast<cudaEvent_t>(event);
  return cudaSuccess;
}

MOCK_API cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, 0);
}

MOCK_API cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Lock lock(mutex());
  delete reinterpret_cast<Event*>(event);
  return cudaSuccess;
}

MOCK_API cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::event)) return failed;
  Stream& stream = stream_of(stream_handle);
  Event& event = event_of(handle);
  if (event.device != stream.device) {
    violation("an event of device %d is recorded on a stream of device %d", event.device, stream.device);
    return answer(cudaErrorInvalidResourceHandle);
  }
  event.recorded = true;
  event.capture = stream.capture;
  event.recorded_after = stream.recorded_tail;
  event.after = stream.capture ? std::vector<TaskPtr>{} : predecessors(stream);
  return cudaSuccess;
}

MOCK_API cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) {
  return cudaEventRecord(event, stream);
}

MOCK_API cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::event)) return failed;
  Stream& stream = stream_of(handle);
  Event& event = event_of(event_handle);
  if (!event.recorded) return cudaSuccess;
  if (event.capture && captures().contains(event.capture)) {
    if (stream.capture && stream.capture != event.capture) {
      violation("a recorded stream waits for an event of another recording");
      return invalidate(*stream.capture, cudaErrorStreamCaptureMerge, "events of two recordings");
    }
    if (!stream.capture) {  // the stream joins the recording
      stream.capture = event.capture;
      stream.recorded_tail.clear();
      event.capture->streams.insert(&stream);
    }
    for (Node* node : event.recorded_after) {
      if (std::find(stream.recorded_tail.begin(), stream.recorded_tail.end(), node) == stream.recorded_tail.end()) {
        stream.recorded_tail.push_back(node);
      }
    }
    return cudaSuccess;
  }
  if (event.capture) {
    violation("a stream waits for an event of a recording that has ended");
    return answer(cudaErrorCapturedEvent);
  }
  if (stream.capture) {
    violation("a recorded stream waits for an event outside the recording");
    return invalidate(*stream.capture, cudaErrorStreamCaptureIsolation, "event outside the recording");
  }
  prune(event.after);
  prune(stream.tail);
  stream.tail.insert(stream.tail.end(), event.after.begin(), event.after.end());
  return cudaSuccess;
}

MOCK_API cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::wait)) return failed;
  Event& event = event_of(handle);
  if (event.capture && captures().contains(event.capture)) {
    violation("cudaEventSynchronize of an event that was recorded into a graph");
    return invalidate(*event.capture, cudaErrorCapturedEvent, "cudaEventSynchronize");
  }
  if (const auto forbidden = forbid_while_recording("cudaEventSynchronize")) return forbidden;
  queue().run_until_done(event.after);
  return cudaSuccess;
}

MOCK_API cudaError_t cudaEventQuery(cudaEvent_t handle) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::wait)) return failed;
  if (const auto forbidden = forbid_while_recording("cudaEventQuery")) return forbidden;
  Event& event = event_of(handle);
  queue().run_one();
  prune(event.after);
  return event.after.empty() ? cudaSuccess : cudaErrorNotReady;
}

MOCK_API cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 1;
  return cudaSuccess;
}

}  // namespace cuda_mock
