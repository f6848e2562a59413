// The order in which work runs: see work.h.
#include <algorithm>

#include "test/cuda_mock/memory.h"
#include "test/cuda_mock/state.h"
#include "test/cuda_mock/work.h"

namespace cuda_mock {

void prune(std::vector<TaskPtr>& tasks) {
  std::erase_if(tasks, [](const TaskPtr& task) { return task->done; });
}

TaskPtr Queue::add(WorkPtr work, int device, const std::vector<TaskPtr>& after) {
  auto task = std::make_shared<Task>();
  task->work = std::move(work);
  task->device = device;
  task->number = next_number_++;
  for (const TaskPtr& earlier : after) {
    if (earlier->done) continue;
    earlier->dependents.push_back(task);
    ++task->missing;
  }
  ++waiting_[device];
  if (task->missing == 0) ready_.push_back(task);
  return task;
}

size_t Queue::choose(const std::vector<TaskPtr>& among) {
  const auto earlier = [](const TaskPtr& a, const TaskPtr& b) { return a->number < b->number; };
  if (order_ == 0) return size_t(std::min_element(among.begin(), among.end(), earlier) - among.begin());
  if (order_ == 1) return size_t(std::max_element(among.begin(), among.end(), earlier) - among.begin());
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;
  return size_t(random_ >> 33) % among.size();
}

bool Queue::run_one() {
  std::vector<TaskPtr> candidates = ready_;
  TaskPtr task;
  bool allowed = false;
  while (!task) {
    if (candidates.empty()) return false;
    const size_t place = choose(candidates);
    task = candidates[place];
    candidates.erase(candidates.begin() + long(place));
    allowed = memory().may_run(*task->work);
    if (allowed && task->work->ready && !task->work->ready()) task = nullptr;
  }
  std::erase(ready_, task);
  if (allowed && task->work->run) {
    current_work() = task->work.get();
    task->work->run();
    current_work() = nullptr;
  }
  task->done = true;
  --waiting_[task->device];
  for (const TaskPtr& dependent : task->dependents) {
    if (--dependent->missing == 0) ready_.push_back(dependent);
  }
  task->dependents.clear();
  task->work = nullptr;
  return true;
}

void Queue::run_until_done(std::vector<TaskPtr> tasks) {
  const auto left = [&] { return std::any_of(tasks.begin(), tasks.end(), [](const TaskPtr& t) { return !t->done; }); };
  while (left() && !ready_.empty()) {
    if (!run_one()) mutex().pause();
  }
}

void Queue::run_all(int device) {
  while (waiting_[device] > 0 && !ready_.empty()) {
    if (!run_one()) mutex().pause();
  }
}

}  // namespace cuda_mock
