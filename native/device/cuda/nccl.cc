// See nccl.h.
#include "device/cuda/nccl.h"

#include <dlfcn.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <string>

#include "core/errors.h"

namespace rdrop {
namespace {

/// As nccl.h declares them, the same in all of NCCL 2.10 to 2.30.
namespace nccl {

enum Result : int { success = 0, in_progress = 7 };
enum Type : int { float16 = 6, float32 = 7, float64 = 8, bfloat16 = 9 };
enum Reduction : int { sum = 0 };
using Communicator = struct CommunicatorBody*;
struct Id {
  char bytes[128];
};

struct Library {
  Result (*make_id)(Id*);
  Result (*join)(Communicator*, int ranks, Id, int rank);
  Result (*all_reduce)(const void* from, void* to, size_t count, Type, Reduction, Communicator, cudaStream_t);
  Result (*error)(Communicator, Result*);
  Result (*destroy)(Communicator);
  Result (*abort)(Communicator);
  const char* (*text)(Result);
};

template <typename F>
void find(void* library, const char* name, F*& function) {
  function = reinterpret_cast<F*>(dlsym(library, name));
  if (!function) fail(ErrorCode::distributed_unavailable, "libnccl.so.2 has no function ", name);
}

/// The library of the process: among the global symbols, or by its name.
void* find_library() {
  if (dlsym(RTLD_DEFAULT, "ncclAllReduce")) return RTLD_DEFAULT;
  if (void* handle = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL)) return handle;
  fail(ErrorCode::distributed_unavailable, "NCCL (libnccl.so.2) was not found beside the CUDA build of libtorch (",
       dlerror(), "). Next: npx rdrop setup --cuda, or distributed.backend 'gloo'");
}

const Library& library() {
  static const Library all = [] {
    void* const from = find_library();
    Library found{};
    find(from, "ncclGetUniqueId", found.make_id);
    find(from, "ncclCommInitRank", found.join);
    find(from, "ncclAllReduce", found.all_reduce);
    find(from, "ncclCommGetAsyncError", found.error);
    find(from, "ncclCommDestroy", found.destroy);
    find(from, "ncclCommAbort", found.abort);
    find(from, "ncclGetErrorString", found.text);
    return found;
  }();
  return all;
}

void check(Result result, const char* what) {
  if (result == success) return;
  fail(ErrorCode::distributed_unavailable, what, ": ", library().text(result),
       ". NCCL_DEBUG=WARN says more; each rank needs a device of its own. Next: npx rdrop doctor, or "
       "distributed.backend "
       "'gloo'");
}

Type type_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kHalf:
      return float16;
    case at::kFloat:
      return float32;
    case at::kDouble:
      return float64;
    case at::kBFloat16:
      return bfloat16;
    default:
      fail(ErrorCode::internal, "a sum over the ranks in ", c10::toString(tensor.scalar_type()));
  }
}

}  // namespace nccl

class NcclRanks final : public DeviceRanks {
 public:
  NcclRanks(CudaContext& context, nccl::Communicator communicator) : context_(context), communicator_(communicator) {}

  /// In peace: what was put on the stream ends first, for other ranks may still wait for their part of it.
  ~NcclRanks() override {
    if (!ended_.exchange(true)) nccl::library().destroy(communicator_);
  }

  void all_reduce(at::Tensor& tensor) override {
    if (ended_) fail(ErrorCode::rank_lost, "the connection of the devices has ended");
    context_.run_now("a sum over the ranks", [&] {
      void* const data = tensor.mutable_data_ptr();
      nccl::check(nccl::library().all_reduce(data, data, size_t(tensor.numel()), nccl::type_of(tensor), nccl::sum,
                                             communicator_, context_.stream.stream()),
                  "a sum over the ranks by NCCL");
      context_.follow_plainly();
    });
  }

  std::string fault() noexcept override {
    const std::lock_guard lock(mutex_);
    if (ended_) return "its connection has ended";
    nccl::Result error = nccl::success;
    const nccl::Result asked = nccl::library().error(communicator_, &error);
    if (asked != nccl::success) error = asked;
    return error == nccl::success || error == nccl::in_progress ? "" : nccl::library().text(error);
  }

  /// all_reduce may be under way on another thread, even waiting for its peers there: NCCL allows that.
  void abort() noexcept override {
    const std::lock_guard lock(mutex_);
    if (!ended_.exchange(true)) nccl::library().abort(communicator_);
  }

 private:
  CudaContext& context_;
  const nccl::Communicator communicator_;
  std::mutex mutex_;  // of fault() and abort()
  std::atomic<bool> ended_{false};
};

}  // namespace

std::vector<uint8_t> NcclMeetings::name() {
  nccl::Id id{};
  context_.run("a meeting of devices",
               [&] { nccl::check(nccl::library().make_id(&id), "a meeting of devices by NCCL"); });
  return {id.bytes, id.bytes + sizeof(id.bytes)};
}

std::unique_ptr<DeviceRanks> NcclMeetings::join(const std::vector<uint8_t>& name, int rank, int size) {
  nccl::Id id{};
  if (name.size() != sizeof(id.bytes)) fail(ErrorCode::internal, "the name of a meeting has ", name.size(), " bytes");
  std::memcpy(id.bytes, name.data(), sizeof(id.bytes));
  nccl::Communicator communicator = nullptr;
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(context_.index));
  nccl::check(nccl::library().join(&communicator, size, id, rank), "the meeting of the ranks' devices by NCCL");
  return std::make_unique<NcclRanks>(context_, communicator);
}

}  // namespace rdrop
