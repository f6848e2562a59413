// See device_group.h.
#include "distributed/device_group.h"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "core/errors.h"

namespace rdrop {
namespace {

using Clock = std::chrono::steady_clock;

/// Between two looks at the devices' connection.
constexpr auto kInterval = std::chrono::milliseconds(500);
/// For which a rank that left in peace lets its sums end.
constexpr auto kPatience = std::chrono::seconds(2);

/// Devices meet on a thread of their own: a rank that is lost leaves it waiting for good, and it is left behind.
std::shared_ptr<DeviceRanks> meet(const std::shared_ptr<Group>& group, DeviceMeetings& meetings) {
  Bytes name;
  if (group->rank() == 0) name = meetings.name();
  name = broadcast(*group, name);
  struct Met {
    std::mutex mutex;
    bool ended = false;
    std::shared_ptr<DeviceRanks> ranks;
    std::exception_ptr error;
  };
  const auto met = std::make_shared<Met>();
  std::thread([met, name, &meetings, rank = int(group->rank()), size = int(group->size()),
               weak = std::weak_ptr(group)] {
    std::shared_ptr<DeviceRanks> ranks;
    std::exception_ptr error;
    try {
      ranks = meetings.join(name, rank, size);
    } catch (...) {
      error = std::current_exception();
    }
    {
      const std::lock_guard lock(met->mutex);
      met->ranks = std::move(ranks);
      met->error = error;
      met->ended = true;
    }
    if (const auto alive = weak.lock()) alive->wake();
  }).detach();
  group->wait([&] {
    const std::lock_guard lock(met->mutex);
    return met->ended;
  });
  if (met->error) std::rethrow_exception(met->error);
  return met->ranks;
}

}  // namespace

/// What a group shares with the thread that watches it.
struct DeviceGroup::Watch {
  std::shared_ptr<Group> group;

  mutable std::mutex mutex;  // guards what follows
  std::condition_variable ended;
  bool over = false;           // nobody sums any more
  std::exception_ptr failure;  // set before the sums are ended, so whoever waited for one finds it
  std::shared_ptr<DeviceRanks> ranks;

  bool is_over() const {
    const std::lock_guard lock(mutex);
    return over;
  }

  void run() noexcept {
    const auto own = connection();
    try {
      std::string fault;
      while (!is_over() && fault.empty()) {
        const auto next = Clock::now() + kInterval;
        group->wait([&] { return is_over() || Clock::now() > next; });
        fault = own->fault();
      }
      if (!is_over()) group->broken(fault);
    } catch (const Error& error) {
      end(std::current_exception());
      if (error.code() != ErrorCode::disposed || !ends_in_time()) own->abort();
    } catch (...) {
      end(std::current_exception());
      own->abort();
    }
    const std::lock_guard lock(mutex);
    ranks = nullptr;
  }

  std::shared_ptr<DeviceRanks> connection() const {
    const std::lock_guard lock(mutex);
    if (failure) std::rethrow_exception(failure);
    return ranks;
  }

 private:
  void end(std::exception_ptr error) {
    const std::lock_guard lock(mutex);
    failure = std::move(error);
  }

  /// After a peace other ranks may still wait for this rank's part of a sum.
  bool ends_in_time() {
    std::unique_lock lock(mutex);
    return ended.wait_for(lock, kPatience, [&] { return over; });
  }
};

DeviceGroup::DeviceGroup(std::shared_ptr<Group> group, Device& device) : watch_(std::make_shared<Watch>()) {
  watch_->group = std::move(group);
  Group& all = *watch_->group;
  DeviceMeetings* const meetings = device.meetings();
  if (!meetings) {
    fail(ErrorCode::invalid_argument, "backend: 'nccl' needs a model on CUDA. Next: 'gloo'");
  }
  try {
    watch_->ranks = meet(watch_->group, *meetings);
  } catch (const Error& error) {
    const bool alone = error.code() != ErrorCode::rank_lost && error.code() != ErrorCode::rank_failed &&
                       error.code() != ErrorCode::disposed;
    if (alone) all.fail(error.what());
    throw;
  }
  std::thread([watch = watch_] { watch->run(); }).detach();
}

DeviceGroup::~DeviceGroup() {
  {
    const std::lock_guard lock(watch_->mutex);
    watch_->over = true;
  }
  watch_->ended.notify_all();
  watch_->group->wake();
}

void DeviceGroup::all_reduce(at::Tensor& tensor) {
  watch_->connection()->all_reduce(tensor);
}

void DeviceGroup::check() const {
  watch_->connection();
}

void DeviceGroup::incomplete() const {
  check();
  watch_->group->broken("a sum of the devices did not come about");
}

}  // namespace rdrop
