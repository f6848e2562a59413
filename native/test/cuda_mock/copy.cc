// Copies and fills. A copy from pinned memory reads it when it runs; pageable memory is read at the call, and written
// before the call returns.
#include <cstring>

#include "test/cuda_mock/memory.h"
#include "test/cuda_mock/state.h"

namespace cuda_mock {
namespace {

/// Without computing, copies and fills of states and counters are done all the same.
constexpr size_t kSmallBytes = 64 * 1024;

bool computes(size_t bytes) {
  return settings().compute || bytes <= kSmallBytes;
}

uint64_t checksum(const void* memory, size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(memory);
  uint64_t sum = bytes;
  for (; bytes >= 8; bytes -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
    sum ^= sum >> 29;
  }
  for (; bytes > 0; --bytes) sum = (sum ^ *at++) * 0x9e3779b97f4a7c15u;
  return sum;
}

const char* name_of(Place from, Place to) {
  if (from == Place::device) return to == Place::device ? "device to device" : "device to host";
  return to == Place::device ? "host to device" : "host to host";
}

/// A copy on a stream. `waits`: it is done when the call returns.
cudaError_t copy(void* to, const void* from, size_t bytes, Stream& stream, bool waits) {
  if (bytes == 0) return cudaSuccess;
  const Place source = memory().place_of(from), target = memory().place_of(to);
  Work work;
  work.kind = Work::Kind::copy;
  work.name = name_of(source, target);
  if (source != Place::pageable) work.memory.push_back({from, bytes});
  if (target != Place::pageable) work.memory.push_back({to, bytes});
  const bool pageable = source == Place::pageable || target == Place::pageable;
  if (pageable && stream.capture) {
    violation("a copy between the device and pageable memory is recorded");
    return invalidate(*stream.capture, cudaErrorStreamCaptureUnsupported, "pageable memory");
  }
  if (!computes(bytes)) {
    if (source == Place::device && target != Place::device) std::memset(to, 0, bytes);
  } else if (source == Place::pageable) {
    auto content =
        std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
    work.run = [to, content] { std::memcpy(to, content->data(), content->size()); };
  } else if (source == Place::pinned && !stream.capture) {
    const uint64_t sum = checksum(from, bytes);
    work.run = [to, from, bytes, sum] {
      if (checksum(from, bytes) != sum) violation("pinned memory at %p was written before its copy had run", from);
      std::memcpy(to, from, bytes);
    };
  } else {
    work.run = [to, from, bytes] { std::memmove(to, from, bytes); };
  }
  if (const auto failed = submit(stream, std::move(work))) return failed;
  if (waits || target == Place::pageable) finish(stream);
  return cudaSuccess;
}

cudaError_t fill(void* to, int value, size_t bytes, Stream& stream) {
  if (bytes == 0) return cudaSuccess;
  Work work;
  work.kind = Work::Kind::fill;
  work.name = "memset";
  work.memory.push_back({to, bytes});
  if (computes(bytes)) work.run = [to, value, bytes] { std::memset(to, value, bytes); };
  return submit(stream, std::move(work));
}

}  // namespace

MOCK_API cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::copy)) return failed;
  return copy(to, from, bytes, stream_of(stream), false);
}

MOCK_API cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t stream) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::copy)) return failed;
  return copy(to, from, bytes, stream_of(stream), false);
}

MOCK_API cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::copy)) return failed;
  if (const auto forbidden = forbid_while_recording("cudaMemcpy")) return forbidden;
  return copy(to, from, bytes, stream_of(nullptr), true);
}

MOCK_API cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::fill)) return failed;
  return fill(to, value, bytes, stream_of(stream));
}

MOCK_API cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::fill)) return failed;
  if (const auto forbidden = forbid_while_recording("cudaMemset")) return forbidden;
  return fill(to, value, bytes, stream_of(nullptr));
}

}  // namespace cuda_mock
