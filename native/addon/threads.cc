// See threads.h.
#include "addon/threads.h"

#include <ATen/Parallel.h>
#include <omp.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <future>
#include <thread>
#include <vector>

#include "core/errors.h"
#include "addon/waiting.h"

namespace rdrop {
namespace {

/// Of the engine's team; libtorch counts per thread, and engine_threads() is called on others. 0: no team yet.
std::atomic<int64_t> team{0};

void* wait_for(void* released) {
  static_cast<std::shared_future<void>*>(released)->wait();
  return nullptr;
}

/// Starts `more` threads at once, with the stacks that libgomp's have, and ends them: 0, or the errno of the first that
/// failed.
int try_threads(int64_t more) {
  if (more <= 0) return 0;  // a smaller team than there is
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::vector<pthread_t> started;
  started.reserve(size_t(more));
  int failed = 0;
  while (failed == 0 && int64_t(started.size()) < more) {
    pthread_t thread;
    failed = pthread_create(&thread, nullptr, wait_for, &released);
    if (failed == 0) started.push_back(thread);
  }
  release.set_value();
  for (const pthread_t thread : started) pthread_join(thread, nullptr);
  return failed;
}

/// Makes the team of all later work, if it can be made, and has it watched. Throws PROCESS_LIMIT.
void make_team(int64_t count) {
  const int64_t more = count - std::max<int64_t>(1, team);
  if (const int failed = more > 0 ? try_threads(more) : 0) {
    fail(ErrorCode::process_limit, "threads: ", count, " cannot be started here (", std::strerror(failed),
         "). Expected a count that the limits of this process allow: see ulimit -u, ulimit -v, and pids.max of its "
         "control group; OMP_NUM_THREADS says how many where no option does");
  }
  // Said even where it is the default: oneMKL then no longer takes fewer as it sees fit, for which libgomp ends threads
  // and starts them again all the time.
  at::set_num_threads(int(count));
  std::vector<int> members(static_cast<size_t>(count), 0);
#pragma omp parallel num_threads(int(count))
  {
    const auto place = size_t(omp_get_thread_num());
    if (place < members.size()) members[place] = int(syscall(SYS_gettid));
  }
  team = count;
  watch_waiting(members);
}

}  // namespace

bool can_start_threads(int64_t count) {
  return try_threads(count) == 0;
}

void set_engine_threads(int64_t wanted) {
  make_team(wanted == 0 ? std::max(1u, std::thread::hardware_concurrency()) : wanted);
}

void prepare_engine() {
  const bool stale = waiting_job();
  if (team == 0 || stale) make_team(team ? team.load() : at::get_num_threads());
}

int64_t engine_threads() {
  return team ? team.load() : at::get_num_threads();
}

}  // namespace rdrop
