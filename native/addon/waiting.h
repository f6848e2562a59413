// How the engine's threads wait for one another. libgomp's spin for milliseconds before they sleep, which is best while
// the cores are theirs: a step has hundreds of loops, and waking a thread costs more than many of them. Where other
// programs want the cores, a thread that spins takes them from the very thread it waits for, and a step takes many
// times as long. So we watch how long our threads stand in line for a core, and have them sleep at once while they do.
//
// libgomp reads how to wait once, from the environment, which belongs to the host. But it documents (GOMP_SPINCOUNT)
// that it hardly spins while it has more threads than there are cores. So for the time of need an idle thread with an
// idle team of its own brings their number above that; no team that works changes, nor does any result.
#pragma once

#include <cstdint>
#include <vector>

namespace rdrop {

/// On the engine thread: the ids of its team's threads. Nothing is watched where there is one alone, where the
/// environment says how to wait (OMP_WAIT_POLICY, GOMP_SPINCOUNT), or where the system does not say (schedstat).
void watch_waiting(const std::vector<int>& threads);

/// On the engine thread: a job begins. True: some of the threads watched are gone, and watch_waiting() is due again.
bool waiting_job();

/// On any thread: whether threads that wait are made to sleep at once.
bool waiting_asleep();

/// Whether so many threads more can be started; libgomp ends the process where they cannot (threads.cc).
bool can_start_threads(int64_t count);

}  // namespace rdrop
