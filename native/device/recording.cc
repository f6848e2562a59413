// See recording.h.
#include "device/recording.h"

#include <algorithm>
#include <utility>

#include "core/errors.h"

namespace rdrop {
namespace {

/// All recorders of the process, which live on its one engine thread. Never destroyed.
std::vector<Recorder*>& recorders() {
  static auto& all = *std::make_unique<std::vector<Recorder*>>().release();
  return all;
}

/// Sets a flag for a scope.
class Flag {
 public:
  explicit Flag(bool& flag) : flag_(flag) { flag_ = true; }
  ~Flag() { flag_ = false; }
  Flag(const Flag&) = delete;

 private:
  bool& flag_;
};

}  // namespace

Recorder::Recorder(Device& device, int64_t most) : device_(device), most_(most), pool_(device.graphs().make_pool()) {
  recorders().push_back(this);
  // What a validation needs may lie in the pool of a training: its graphs can be recorded again.
  device_.memory().on_shortage([&device = device_] {
    bool released = false;
    for (Recorder* recorder : recorders()) {
      if (&recorder->device_ == &device) released = recorder->forget_graphs() || released;
    }
    return released;
  });
}

Recorder::~Recorder() {
  std::erase(recorders(), this);
  recordings_.clear();  // before their pool
}

Recording& Recorder::add() {
  return *recordings_.emplace_back(std::make_unique<Recording>());
}

void Recorder::remove(Recording& recording) {
  std::erase_if(recordings_, [&](const auto& own) { return own.get() == &recording; });
}

void Recorder::run(Recording& recording, const std::function<void()>& work) {
  const Flag scope(running_);
  if (!recording.graph && recording.warm && !recording.refused && !cannot_record_ && graphs() < most_) {
    capture(recording, work);
  }
  recording.plain = recording.warm && !recording.graph;
  if (recording.graph) {
    recording.graph->replay();
  } else {
    pool_->run(work);
  }
  recording.warm = true;
}

void Recorder::capture(Recording& recording, const std::function<void()>& work) {
  for (const bool last : {false, true}) {
    try {
      recording.graph = pool_->capture(work);
      return;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cuda_failed) {
        cannot_record_ = true;
        reason_ = error.what();
        return;
      }
      if (error.code() != ErrorCode::out_of_memory) throw;
      if (last) {
        recording.refused = true;
        if (reason_.empty())
          reason_ = "some shapes are launched kernel by kernel, for want of memory: " + std::string(error.what());
        return;
      }
    }
    device_.memory().release_cached();
  }
}

void Recorder::with_room(const std::function<void()>& attempt) {
  for (int failures = 0;;) {
    try {
      attempt();
      return;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::out_of_memory || ++failures == 3) throw;
    }
    if (failures == 2) forget_graphs();
    device_.memory().release_cached();
  }
}

bool Recorder::forget_graphs() {
  if (running_) return false;
  for (const auto& recording : recordings_) recording->graph = nullptr;
  pool_ = nullptr;  // its memory first
  pool_ = device_.graphs().make_pool();
  return true;
}

int64_t Recorder::graphs() const {
  return std::count_if(recordings_.begin(), recordings_.end(), [](const auto& own) { return own->graph != nullptr; });
}

int64_t Recorder::plain() const {
  return std::count_if(recordings_.begin(), recordings_.end(), [](const auto& own) { return own->plain; });
}

}  // namespace rdrop
