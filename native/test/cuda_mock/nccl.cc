// NCCL as far as c10d asks: communicators between threads or processes, and collectives as work of a stream.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <utility>

#include "test/cuda_mock/meeting.h"
#include "test/cuda_mock/memory.h"
#include "test/cuda_mock/state.h"

namespace cuda_mock {
namespace {

struct Communicator {
  Communicator(Meeting m, int d) : meeting(std::move(m)), device(d) {}

  Meeting meeting;
  int device;
  bool aborted = false, ended = false;
  NcclResult error = kNcclSuccess;  ///< what a collective ran into
  uint64_t done = 0;                ///< collectives so far
  const Work* under_way = nullptr;  ///< has been brought, and waits for the others
  std::vector<TaskPtr> last;        ///< one collective follows the other, whatever their streams
};

/// Never deleted: work that waits may need it, and a handle that has ended is noticed.
std::set<Communicator*>& communicators() {
  static auto& instance = *new std::set<Communicator*>;
  return instance;
}

/// Calls between ncclGroupStart and ncclGroupEnd of a thread: they are made at the end.
struct Group {
  int depth = 0;
  std::vector<std::function<NcclResult()>> calls;
};
Group& group() {
  static thread_local Group instance;
  return instance;
}

NcclResult in_group(std::function<NcclResult()> call) {
  if (group().depth == 0) return call();
  group().calls.push_back(std::move(call));
  return kNcclSuccess;
}

Communicator* usable(void* handle) {
  auto* communicator = static_cast<Communicator*>(handle);
  if (communicators().contains(communicator) && !communicator->ended) return communicator;
  violation("a communicator that does not exist, or has ended, is used");
  return nullptr;
}

/// Until all ranks have joined, for as many seconds as MOCK_NCCL_SECONDS says.
NcclResult wait_for_all(const Meeting& meeting) {
  const char* text = std::getenv("MOCK_NCCL_SECONDS");
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(long(1000 * (text ? atof(text) : 60)));
  for (int missing; (missing = meeting.missing()) >= 0;) {
    if (std::chrono::steady_clock::now() > end) {
      std::fprintf(stderr, "cuda_mock: rank %d of a communicator of %d is missing\n", missing, meeting.size());
      return kNcclSystemError;
    }
    usleep(500);
  }
  return kNcclSuccess;
}

/// How a collective uses its buffers, in elements.
struct Sizes {
  size_t brought, received;
};

Sizes sizes_of(const Collective& collective, int ranks) {
  switch (collective.kind) {
    case Collective::Kind::all_gather:
      return {collective.count, collective.count * size_t(ranks)};
    case Collective::Kind::reduce_scatter:
      return {collective.count, collective.count / size_t(ranks)};
    default:
      return {collective.count, collective.count};
  }
}

/// All have brought what they have: computes what this rank receives.
void receive(Communicator& communicator, const Collective& collective, void* to) {
  const Meeting& meeting = communicator.meeting;
  const size_t element = bytes_of(collective.type);
  const Sizes sizes = sizes_of(collective, meeting.size());
  std::vector<char> result, data(settings().compute ? sizes.brought * element : 0);
  for (int rank = 0; rank < meeting.size(); ++rank) {
    Collective asked = collective;
    if (!meeting.take(communicator.done, rank, asked, data)) {
      communicator.error = kNcclInvalidUsage;
      return violation("ranks %d and %d ask for different collectives: kinds %d and %d, %lu and %lu elements",
                       meeting.rank(), rank, int(collective.kind), int(asked.kind), (unsigned long)collective.count,
                       (unsigned long)asked.count);
    }
    if (collective.kind == Collective::Kind::all_gather) {
      result.insert(result.end(), data.begin(), data.end());
    } else if (collective.kind == Collective::Kind::broadcast) {
      if (rank == collective.root) result = data;
    } else if (rank == 0) {
      result = data;
    } else if (settings().compute) {
      reduce(collective.type, collective.reduction, result.data(), data.data(), sizes.brought);
    }
  }
  if (!settings().compute) return;
  if (collective.reduction == kNcclAverage) divide(collective.type, result.data(), sizes.brought, meeting.size());
  const size_t skipped =
      collective.kind == Collective::Kind::reduce_scatter ? size_t(meeting.rank()) * sizes.received : 0;
  std::memcpy(to, result.data() + skipped * element, sizes.received * element);
}

NcclResult enqueue(Communicator& communicator, const Collective& collective, const void* from, void* to,
                   cudaStream_t handle) {
  const Lock lock(mutex());
  if (begin(Call::collective) != cudaSuccess) return kNcclUnhandledCudaError;
  const int outer = current_device();
  current_device() = communicator.device;  // as NCCL does for the calls of a group
  Stream& stream = stream_of(handle);
  const Sizes sizes = sizes_of(collective, communicator.meeting.size());
  const size_t element = bytes_of(collective.type);
  Work work;
  work.kind = Work::Kind::collective;
  work.name = "nccl";
  for (const Range& range : {Range{from, sizes.brought * element}, Range{to, sizes.received * element}}) {
    if (memory().place_of(range.begin) == Place::device && memory().device_of(range.begin) != communicator.device) {
      violation("a collective of device %d uses memory of device %d", communicator.device,
                memory().device_of(range.begin));
    }
    work.memory.push_back(range);
  }
  // The work's own address tells two collectives of a communicator apart.
  auto self = std::make_shared<char>();
  work.ready = [&communicator, collective, from, element, sizes, self] {
    if (communicator.aborted) return true;
    const auto* own = reinterpret_cast<const Work*>(self.get());
    if (communicator.under_way == nullptr) {
      communicator.under_way = own;
      communicator.meeting.bring(communicator.done, collective, from, settings().compute ? sizes.brought * element : 0);
    }
    return communicator.under_way == own && communicator.meeting.all_have_brought(communicator.done);
  };
  work.run = [&communicator, collective, to] {
    if (communicator.aborted) return;
    receive(communicator, collective, to);
    communicator.meeting.forget_before(communicator.done);
    ++communicator.done;
    communicator.under_way = nullptr;
  };
  const bool recorded = stream.capture != nullptr;
  prune(communicator.last);
  const cudaError_t status = submit(stream, std::move(work), communicator.last);
  if (status == cudaSuccess && !recorded) communicator.last = stream.tail;
  current_device() = outer;
  return status == cudaSuccess ? kNcclSuccess : kNcclUnhandledCudaError;
}

NcclResult collect(const Collective& collective, const void* from, void* to, void* handle, cudaStream_t stream) {
  const Lock lock(mutex());
  Communicator* communicator = usable(handle);
  if (!communicator || bytes_of(collective.type) == 0) return kNcclInvalidArgument;
  if (collective.reduction < kNcclSum || collective.reduction > kNcclAverage) return kNcclInvalidArgument;
  if (collective.root < 0 || collective.root >= communicator->meeting.size()) return kNcclInvalidArgument;
  if (communicator->aborted) return kNcclInvalidUsage;
  if (collective.count == 0) return kNcclSuccess;
  return in_group([=] { return enqueue(*communicator, collective, from, to, stream); });
}

}  // namespace

MOCK_API NcclResult ncclGetVersion(int* version) {
  *version = 22907;
  return kNcclSuccess;
}

MOCK_API const char* ncclGetErrorString(NcclResult result) {
  constexpr const char* kTexts[] = {"no error",
                                    "unhandled cuda error",
                                    "unhandled system error",
                                    "internal error",
                                    "invalid argument",
                                    "invalid usage",
                                    "remote process exited or there was a network error",
                                    "NCCL operation in progress"};
  return size_t(result) < std::size(kTexts) ? kTexts[result] : "unknown result code";
}

MOCK_API const char* ncclGetLastError(void*) {
  return "";
}

MOCK_API NcclResult ncclGetUniqueId(NcclId* id) {
  std::memset(id, 0, sizeof(*id));
  std::random_device random;
  std::snprintf(id->text, sizeof(id->text), "cuda_mock_nccl_%d_%08x%08x", int(getpid()), random(), random());
  return kNcclSuccess;
}

MOCK_API NcclResult ncclCommInitRank(void** handle, int ranks, NcclId id, int rank) {
  *handle = nullptr;
  if (ranks < 1 || rank < 0 || rank >= ranks) return kNcclInvalidArgument;
  Communicator* communicator;
  {
    const Lock lock(mutex());
    // It allocates memory of the device.
    if (begin(Call::collective) != cudaSuccess || forbid_while_recording("ncclCommInitRank") != cudaSuccess) {
      return kNcclUnhandledCudaError;
    }
    communicator = new Communicator(Meeting(id.text, rank, ranks), current_device());
    communicator->meeting.join();
    communicators().insert(communicator);
    *handle = communicator;
  }
  return in_group([communicator] { return wait_for_all(communicator->meeting); });
}

/// Calls block, whatever the configuration says.
MOCK_API NcclResult ncclCommInitRankConfig(void** handle, int ranks, NcclId id, int rank, void*) {
  return ncclCommInitRank(handle, ranks, id, rank);
}

MOCK_API NcclResult ncclCommCount(void* handle, int* count) {
  const Lock lock(mutex());
  const Communicator* communicator = usable(handle);
  if (!communicator) return kNcclInvalidArgument;
  *count = communicator->meeting.size();
  return kNcclSuccess;
}

MOCK_API NcclResult ncclCommUserRank(void* handle, int* rank) {
  const Lock lock(mutex());
  const Communicator* communicator = usable(handle);
  if (!communicator) return kNcclInvalidArgument;
  *rank = communicator->meeting.rank();
  return kNcclSuccess;
}

MOCK_API NcclResult ncclCommCuDevice(void* handle, int* device) {
  const Lock lock(mutex());
  const Communicator* communicator = usable(handle);
  if (!communicator) return kNcclInvalidArgument;
  *device = communicator->device;
  return kNcclSuccess;
}

MOCK_API NcclResult ncclCommGetAsyncError(void* handle, NcclResult* error) {
  const Lock lock(mutex());
  const Communicator* communicator = usable(handle);
  if (!communicator) return kNcclInvalidArgument;
  *error = communicator->error;
  return kNcclSuccess;
}

MOCK_API NcclResult ncclCommFinalize(void* handle) {
  const Lock lock(mutex());
  return usable(handle) ? kNcclSuccess : kNcclInvalidArgument;
}

/// After the work that waits.
MOCK_API NcclResult ncclCommDestroy(void* handle) {
  const Lock lock(mutex());
  Communicator* communicator = usable(handle);
  if (!communicator) return kNcclInvalidArgument;
  queue().run_until_done(communicator->last);
  communicator->ended = true;
  communicator->meeting.leave();
  return kNcclSuccess;
}

/// What waits for peers ends, and leaves its memory as it is. On any thread.
MOCK_API NcclResult ncclCommAbort(void* handle) {
  const Lock lock(mutex());
  Communicator* communicator = usable(handle);
  if (!communicator) return kNcclInvalidArgument;
  communicator->aborted = communicator->ended = true;
  communicator->meeting.destroy();
  return kNcclSuccess;
}

MOCK_API NcclResult ncclGroupStart() {
  ++group().depth;
  return kNcclSuccess;
}

MOCK_API NcclResult ncclGroupEnd() {
  Group& calls = group();
  if (calls.depth == 0) return kNcclInvalidUsage;
  if (--calls.depth > 0) return kNcclSuccess;
  const auto all = std::exchange(calls.calls, {});
  NcclResult result = kNcclSuccess;
  for (const auto& call : all) {
    if (const NcclResult one = call(); result == kNcclSuccess) result = one;
  }
  return result;
}

MOCK_API NcclResult ncclAllReduce(const void* from, void* to, size_t count, NcclType type, NcclReduction reduction,
                                  void* communicator, cudaStream_t stream) {
  return collect({Collective::Kind::all_reduce, type, reduction, 0, count}, from, to, communicator, stream);
}

MOCK_API NcclResult ncclBroadcast(const void* from, void* to, size_t count, NcclType type, int root, void* communicator,
                                  cudaStream_t stream) {
  return collect({Collective::Kind::broadcast, type, kNcclSum, root, count}, from, to, communicator, stream);
}

MOCK_API NcclResult ncclBcast(void* buffer, size_t count, NcclType type, int root, void* communicator,
                              cudaStream_t stream) {
  return ncclBroadcast(buffer, buffer, count, type, root, communicator, stream);
}

MOCK_API NcclResult ncclAllGather(const void* from, void* to, size_t count, NcclType type, void* communicator,
                                  cudaStream_t stream) {
  return collect({Collective::Kind::all_gather, type, kNcclSum, 0, count}, from, to, communicator, stream);
}

MOCK_API NcclResult ncclReduceScatter(const void* from, void* to, size_t received, NcclType type,
                                      NcclReduction reduction, void* communicator, cudaStream_t stream) {
  int ranks = 0;
  if (const NcclResult failed = ncclCommCount(communicator, &ranks)) return failed;
  return collect({Collective::Kind::reduce_scatter, type, reduction, 0, received * size_t(ranks)}, from, to,
                 communicator, stream);
}

}  // namespace cuda_mock
