// The threads of the engine: libgomp's, which ATen, oneMKL, oneDNN and our own loops share. One team, owned by the
// engine thread. libgomp ends the process when a thread cannot be started, so a team is made where that can be reported
// as an error.
#pragma once

#include <cstdint>

namespace rdrop {

/// On the engine thread: makes the team of all later work; 0: as many as there are cores. Throws PROCESS_LIMIT where
/// the system refuses so many; then the team is as it was.
void set_engine_threads(int64_t wanted);

/// On the engine thread, before every job: makes the team of libgomp's default where set_engine_threads never did.
/// Throws PROCESS_LIMIT.
void prepare_engine();

/// On any thread: how many the team has, or will have.
int64_t engine_threads();

}  // namespace rdrop
