// A group over c10d, PyTorch's own process groups: ranks meet at a TCPStore, tensors travel by a backend.
#include <ATen/ops/empty.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <atomic>
#include <chrono>
#include <thread>

#include "core/errors.h"
#include "distributed/backend.h"
#include "distributed/group.h"
#include "distributed/heartbeat.h"
#include "distributed/network.h"

namespace rdrop {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;
using Store = c10::intrusive_ptr<c10d::Store>;

/// Liveness ends a wait, no clock: a rank that is busy for hours is no error.
constexpr Milliseconds kForEver = std::chrono::hours(24 * 20);

std::string first_line(const char* text) {
  const std::string all = text;
  return all.substr(0, all.find('\n'));
}

/// What the group and its work under way share.
struct Connection {
  Backend backend;
  std::shared_ptr<Heartbeat> heartbeat;
  std::atomic<double> waited{0};
  std::atomic<bool> abandoned{false};  // work of it has not ended, and perhaps never will

  ~Connection() {
    heartbeat->leave();
    backend.abort();  // else the backend's threads would be waited for
    // A thread that waits for a rank which was stopped is not woken by that: it is left behind, with its backend.
    if (abandoned) std::make_unique<Backend>(std::move(backend)).release();
  }
};

class C10dPending : public Pending {
 public:
  C10dPending(std::shared_ptr<Connection> connection, c10::intrusive_ptr<c10d::Work> work)
      : connection_(std::move(connection)), work_(std::move(work)), ended_(std::make_shared<bool>(false)) {
    // Not the connection: its end waits for the backend's threads, and this runs on one of them.
    const std::weak_ptr<Heartbeat> heartbeat = connection_->heartbeat;
    work_->getFuture()->addCallback([heartbeat, ended = ended_](c10::ivalue::Future&) {
      if (const auto alive = heartbeat.lock()) alive->change([&] { *ended = true; });
    });
  }

  ~C10dPending() override {
    connection_->heartbeat->change([this] {
      if (!*ended_) connection_->abandoned = true;
    });
  }

  void wait() override {
    const auto start = Clock::now();
    try {
      connection_->heartbeat->wait([this] { return *ended_; });
    } catch (...) {
      connection_->backend.abort();
      throw;
    }
    connection_->waited = connection_->waited + std::chrono::duration<double>(Clock::now() - start).count();
    const auto future = work_->getFuture();
    if (!future->hasError()) return;
    std::string reason;
    try {
      std::rethrow_exception(future->exception_ptr());
    } catch (const std::exception& error) {
      reason = first_line(error.what());
    }
    connection_->backend.abort();
    connection_->heartbeat->broken(reason);
  }

 private:
  std::shared_ptr<Connection> connection_;
  c10::intrusive_ptr<c10d::Work> work_;
  std::shared_ptr<bool> ended_;  // guarded by the heartbeat
};

class C10dGroup : public Group {
 public:
  C10dGroup(int64_t rank, int64_t size, std::shared_ptr<Connection> connection)
      : rank_(rank), size_(size), connection_(std::move(connection)) {}

  int64_t rank() const override { return rank_; }
  int64_t size() const override { return size_; }

  std::unique_ptr<Pending> all_reduce(const at::Tensor& tensor) override {
    c10d::AllreduceOptions options;
    options.timeout = kForEver;
    std::vector<at::Tensor> tensors{tensor};
    return start([&] { return operations().allreduce(tensors, options); });
  }

  std::unique_ptr<Pending> all_gather(const at::Tensor& tensor, const at::Tensor& all) override {
    c10d::AllgatherOptions options;
    options.timeout = kForEver;
    std::vector<std::vector<at::Tensor>> outputs(1);
    for (int64_t rank = 0; rank < size_; ++rank) outputs[0].push_back(all.select(0, rank));
    std::vector<at::Tensor> inputs{tensor};
    return start([&] { return operations().allgather(outputs, inputs, options); });
  }

  void broadcast(const at::Tensor& tensor) override {
    c10d::BroadcastOptions options;
    options.timeout = kForEver;
    std::vector<at::Tensor> tensors{tensor};
    start([&] { return operations().broadcast(tensors, options); })->wait();
  }

  void fail(const std::string& message) noexcept override { connection_->heartbeat->fail(message); }
  void leave() noexcept override { connection_->heartbeat->leave(); }
  void wait(const std::function<bool()>& done) override { connection_->heartbeat->wait(done); }
  void wake() noexcept override { connection_->heartbeat->notify(); }
  void broken(const std::string& reason) override { connection_->heartbeat->broken(reason); }
  double waited() const noexcept override { return connection_->waited; }

 private:
  c10d::Backend& operations() { return *connection_->backend.operations; }

  template <typename Call>
  std::unique_ptr<Pending> start(Call call) {
    c10::intrusive_ptr<c10d::Work> work;
    try {
      work = call();
    } catch (const std::exception& error) {
      connection_->heartbeat->broken(first_line(error.what()));
    }
    return std::make_unique<C10dPending>(connection_, std::move(work));
  }

  int64_t rank_, size_;
  std::shared_ptr<Connection> connection_;
};

/// The meeting of all ranks.
class Meeting {
 public:
  explicit Meeting(const GroupOptions& options)
      : options_(options),
        place_(options.address + ":" + std::to_string(options.port)),
        end_(Clock::now() + timeout()) {}

  Group* join() {
    const std::string local = address_towards(options_.address, options_.port);
    const c10::intrusive_ptr<c10d::TCPStore> own = connect(options_.serve, local);
    const Store store = prefixed(own);
    enter(*store);
    wait_for_all(*store);
    auto connection = std::make_shared<Connection>();
    // A connection of its own: one call on a store waits for another.
    const HeartbeatOptions heartbeat{options_.rank, options_.size, options_.timeout,
                                     text(store->get("served")) == "rank", place_};
    connection->heartbeat = std::make_shared<Heartbeat>(prefixed(connect(false, local)), own, heartbeat);
    connection->backend.abort = [] {};
    try {
      connection->backend = gloo_backend(c10::make_intrusive<c10d::PrefixStore>("gloo", store), int(options_.rank),
                                         int(options_.size), local, timeout());
    } catch (const std::exception& error) {
      connection->heartbeat->broken(first_line(error.what()));
    }
    return std::make_unique<C10dGroup>(options_.rank, options_.size, connection).release();
  }

 private:
  Milliseconds timeout() const { return Milliseconds(int64_t(options_.join * 1000)); }

  static std::string text(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

  Store prefixed(const Store& store) const { return c10::make_intrusive<c10d::PrefixStore>(options_.prefix, store); }

  c10::intrusive_ptr<c10d::TCPStore> connect(bool serve, const std::string& local) const {
    c10d::TCPStoreOptions store;
    store.port = uint16_t(options_.port);
    store.isServer = serve;
    store.waitWorkers = false;
    store.timeout = timeout();
    const int loopback = serve ? listen_on_loopback(local, options_.port) : -1;
    if (loopback >= 0) store.masterListenFd = loopback;
    try {
      return c10::make_intrusive<c10d::TCPStore>(options_.address, store);
    } catch (const std::exception& error) {
      const std::string reason = first_line(error.what());
      if (serve) {
        rdrop::fail(ErrorCode::distributed_unavailable, "rank 0 cannot serve the store of the run at ", place_, " (",
                    reason, "). Is the port taken?");
      }
      rdrop::fail(ErrorCode::distributed_unavailable, "rank ", options_.rank, ": no store of the run at ", place_,
                  " within ", options_.join, " s (", reason, "). Is rank 0 running, and its port open?");
    }
  }

  void enter(c10d::Store& store) const {
    const std::string number = std::to_string(options_.rank);
    if (store.add("entered/" + number, 1) != 1) {
      rdrop::fail(ErrorCode::invalid_argument, "rank ", options_.rank, ": another process at ", place_,
                  " has the same rank");
    }
    if (options_.rank == 0) store.set("served", bytes(options_.serve ? "rank" : "agent"));
    Heartbeat::announce(store, options_.rank);
    store.set("size/" + number, bytes(std::to_string(options_.size)));
  }

  static std::vector<uint8_t> bytes(const std::string& text) { return {text.begin(), text.end()}; }

  /// Those that have not come yet; refuses one that came for a run of another size.
  std::vector<int64_t> missing(c10d::Store& store) const {
    std::vector<int64_t> ranks;
    for (int64_t rank = 0; rank < options_.size; ++rank) {
      const std::string key = "size/" + std::to_string(rank);
      if (!store.check({key})) {
        ranks.push_back(rank);
      } else if (const std::string size = text(store.get(key)); size != std::to_string(options_.size)) {
        rdrop::fail(ErrorCode::invalid_argument, "rank ", rank, " came for a run of ", size, " processes, rank ",
                    options_.rank, " for one of ", options_.size);
      }
    }
    return ranks;
  }

  void wait_for_all(c10d::Store& store) const {
    std::vector<int64_t> ranks;
    std::string reason;
    do {
      try {
        ranks = missing(store);
      } catch (const Error&) {
        throw;
      } catch (const std::exception& error) {
        reason = " before the store closed (" + first_line(error.what()) + ")";
        break;
      }
      if (ranks.empty()) return;
      std::this_thread::sleep_for(Milliseconds(10));
    } while (Clock::now() < end_);
    std::ostringstream names;
    for (size_t i = 0; i < ranks.size(); ++i) names << (i == 0 ? "" : ", ") << ranks[i];
    rdrop::fail(ErrorCode::rank_lost, ranks.size() == 1 ? "rank " : "ranks ", names.str(), " of ", options_.size,
                " did not come to ", place_, " within ", options_.join, " s", reason);
  }

  const GroupOptions& options_;
  const std::string place_;
  const Clock::time_point end_;
};

}  // namespace
}  // namespace rdrop

extern "C" __attribute__((visibility("default"))) rdrop::Group* rdrop_open_group(const rdrop::GroupOptions& options) {
  return rdrop::Meeting(options).join();
}
