// See heartbeat.h.
#include "distributed/heartbeat.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/errors.h"

namespace rdrop {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

const std::string kNote = "note";    // of the first failure; empty: there is none
const std::string kReads = "reads";  // how many ranks have read it
constexpr char kLeft[] = "left";     // instead of a count: the rank left in peace
constexpr size_t kLongestNote = 4000;

std::string beat_key(int64_t rank) {
  return "beat/" + std::to_string(rank);
}

std::vector<uint8_t> bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

std::string text_of(const std::vector<uint8_t>& bytes) {
  return {bytes.begin(), bytes.end()};
}

struct Failure {
  ErrorCode code;
  std::string message;
};

/// Time as this process lived it: one that was stopped, or whose machine slept, counts little of that.
class Silence {
 public:
  explicit Silence(double step) : step_(step) {}
  void pass(double seconds) { seconds_ += std::min(seconds, 2 * step_); }
  void end() { seconds_ = 0; }
  double seconds() const { return seconds_; }

 private:
  double step_, seconds_ = 0;
};

class Stopwatch {
 public:
  double lap() {
    const auto now = Clock::now();
    const double passed = Seconds(now - last_).count();
    last_ = now;
    return passed;
  }

 private:
  Clock::time_point last_ = Clock::now();
};

}  // namespace

struct Heartbeat::State {
  State(c10::intrusive_ptr<c10d::Store> the_store, c10::intrusive_ptr<c10d::Store> the_served,
        const HeartbeatOptions& the_options)
      : store(std::move(the_store)),
        served(std::move(the_served)),
        options(the_options),
        interval(std::clamp(options.timeout / 8, 0.02, 1.0)),
        limit(options.timeout - 2 * interval) {}

  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::Store> served;  // kept alive as long as the thread
  const HeartbeatOptions options;
  const double interval;  // of the beats
  const double limit;     // of silence: what is left of the timeout is for noticing

  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Failure> failure;
  std::string note;    // to be written
  std::string broken;  // why a connection broke; empty: none did
  int64_t rounds = 0;  // that the store answered
  bool left = false, ended = false;

  Failure read_note(const std::string& note) const;
  std::string lost_note(int64_t rank, const std::string& why) const {
    return "L" + std::to_string(rank) + ":rank " + std::to_string(rank) + " of " + std::to_string(options.size) + " " +
           why;
  }
  /// One exchange with the store; returns the note that lies there.
  std::string exchange(int64_t count, std::vector<std::string>& last, std::vector<Silence>& silences, double passed,
                       bool& leaving);
  void give_note_time(Stopwatch& watch);
  void give_leave_time(Stopwatch& watch);
};

Failure Heartbeat::State::read_note(const std::string& text) const {
  const size_t colon = text.find(':');
  const int64_t rank = std::stoll(text.substr(1, colon - 1));
  const std::string message = text.substr(colon + 1);
  if (text[0] == 'F') {
    return {ErrorCode::rank_failed, "rank " + std::to_string(rank) + " of " + std::to_string(options.size) +
                                        " ended with an error: " + message};
  }
  if (rank == options.rank)
    return {ErrorCode::rank_lost,
            "this process is rank " + std::to_string(rank) + ", which the others took for lost (" + message + ")"};
  return {ErrorCode::rank_lost, message};
}

std::string Heartbeat::State::exchange(int64_t count, std::vector<std::string>& last, std::vector<Silence>& silences,
                                       double passed, bool& leaving) {
  std::string to_write, why;
  {
    const std::lock_guard lock(mutex);
    to_write = note;
    why = broken;
    leaving = left;
  }
  store->set(beat_key(options.rank), bytes_of(leaving ? kLeft : std::to_string(count)));
  std::vector<std::string> keys{kNote};
  for (int64_t rank = 0; rank < options.size; ++rank) keys.push_back(beat_key(rank));
  const auto values = store->multiGet(keys);
  const std::string found = text_of(values[0]);
  if (!found.empty()) return found;
  for (int64_t rank = 0; rank < options.size; ++rank) {
    if (rank == options.rank) continue;
    const std::string value = text_of(values[rank + 1]);
    silences[rank].pass(passed);
    if (value != last[rank]) silences[rank].end();
    last[rank] = value;
    if (!to_write.empty()) continue;
    if (value == kLeft) {
      if (!why.empty()) to_write = lost_note(rank, "left the run while the others still worked (" + why + ")");
      continue;
    }
    const double silent = silences[rank].seconds();
    if (silent > limit || (!why.empty() && silent > std::min(limit, 4 * interval))) {
      std::ostringstream said;
      said << "is lost: no sign of life for " << silent << " s";
      if (!why.empty()) said << ", and a connection broke (" << why << ")";
      to_write = lost_note(rank, said.str());
    }
  }
  if (to_write.empty()) return {};
  return text_of(store->compareSet(kNote, bytes_of(""), bytes_of(to_write.substr(0, kLongestNote))));
}

/// A rank that serves the store stays until the others have read the note, or would have.
void Heartbeat::State::give_note_time(Stopwatch& watch) {
  store->add(kReads, 1);
  if (options.rank != 0 || !options.rank_serves) return;
  Silence waited(interval);
  while (waited.seconds() < 3 * interval && store->add(kReads, 0) < options.size) {
    std::this_thread::sleep_for(Seconds(interval / 8));
    waited.pass(watch.lap());
  }
}

/// Likewise until they have left in peace as well.
void Heartbeat::State::give_leave_time(Stopwatch& watch) {
  if (options.rank != 0 || !options.rank_serves) return;
  std::vector<std::string> keys;
  for (int64_t rank = 1; rank < options.size; ++rank) keys.push_back(beat_key(rank));
  Silence waited(interval);
  const auto here = [&] {
    const auto values = store->multiGet(keys);
    return std::any_of(values.begin(), values.end(), [](const auto& value) { return text_of(value) != kLeft; });
  };
  while (!keys.empty() && waited.seconds() < 4 * interval && here()) {
    std::this_thread::sleep_for(Seconds(interval / 8));
    waited.pass(watch.lap());
  }
}

void Heartbeat::beat(const std::shared_ptr<State>& state) {
  std::vector<std::string> last(state->options.size);
  std::vector<Silence> silences(state->options.size, Silence(state->interval));
  Stopwatch watch;
  std::optional<Failure> failure;
  try {
    for (int64_t count = 1; !failure; ++count) {
      bool leaving = false;
      const std::string note = state->exchange(count, last, silences, watch.lap(), leaving);
      if (!note.empty()) {
        state->give_note_time(watch);
        failure = state->read_note(note);
      }
      if (leaving && !failure) state->give_leave_time(watch);
      std::unique_lock lock(state->mutex);
      ++state->rounds;
      if (failure || leaving) break;
      const auto due = [&] { return state->left || !state->note.empty(); };
      state->changed.wait_for(lock, Seconds(state->interval), due);
    }
  } catch (const std::exception& error) {
    // The store is gone. What was on its way when it went may still arrive.
    std::this_thread::sleep_for(Seconds(2 * state->interval));
    const std::string reason = std::string(error.what()).substr(0, std::string(error.what()).find('\n'));
    failure = state->options.rank_serves && state->options.rank != 0
                  ? state->read_note(state->lost_note(
                        0, "is lost: its store at " + state->options.place + " closed the connection (" + reason + ")"))
                  : Failure{ErrorCode::rank_lost, "the store of the run at " + state->options.place +
                                                      " closed the connection (" + reason + ")"};
  }
  const std::lock_guard lock(state->mutex);
  if (failure && !state->failure) state->failure = failure;
  state->ended = true;
  state->changed.notify_all();
}

void Heartbeat::announce(c10d::Store& store, int64_t rank) {
  if (rank == 0) store.set(kNote, bytes_of(""));
  store.set(beat_key(rank), bytes_of("0"));
}

Heartbeat::Heartbeat(c10::intrusive_ptr<c10d::Store> store, c10::intrusive_ptr<c10d::Store> served,
                     const HeartbeatOptions& options)
    : state_(std::make_shared<State>(std::move(store), std::move(served), options)) {
  std::thread([state = state_] { beat(state); }).detach();
}

Heartbeat::~Heartbeat() {
  leave();
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_for(lock, Seconds(0.5), [&] { return state_->ended; });
}

void Heartbeat::wait(const std::function<bool()>& done) {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  Silence silence(state.interval);
  Stopwatch watch;
  int64_t rounds = state.rounds;
  for (;;) {
    if (done()) return;
    if (state.left) rdrop::fail(ErrorCode::disposed, "Group: used after dispose()");
    if (state.failure) rdrop::fail(state.failure->code, state.failure->message);
    state.changed.wait_for(lock, Seconds(state.interval));
    silence.pass(watch.lap());
    if (state.rounds != rounds) silence.end();
    rounds = state.rounds;
    if (silence.seconds() > state.limit && !state.failure) {
      std::ostringstream why;
      why << "its store at " << state.options.place << " gave no answer for " << silence.seconds() << " s";
      state.failure = Failure{ErrorCode::rank_lost,
                              state.options.rank_serves
                                  ? "rank 0 of " + std::to_string(state.options.size) + " is lost: " + why.str()
                                  : "the run is lost: " + why.str()};
    }
  }
}

void Heartbeat::notify() {
  state_->changed.notify_all();
}

void Heartbeat::change(const std::function<void()>& changes) {
  {
    const std::lock_guard lock(state_->mutex);
    changes();
  }
  state_->changed.notify_all();
}

void Heartbeat::broken(const std::string& reason) {
  change([&] { state_->broken = reason; });
  const auto end = Clock::now() + Seconds(2 * state_->options.timeout);
  wait([&] { return Clock::now() > end; });
  rdrop::fail(ErrorCode::rank_lost, "a connection to another rank broke, and all of them give signs of life (", reason,
              ")");
}

void Heartbeat::fail(const std::string& message) noexcept {
  try {
    change([&] {
      if (state_->note.empty()) state_->note = "F" + std::to_string(state_->options.rank) + ":" + message;
    });
    std::unique_lock lock(state_->mutex);
    state_->changed.wait_for(lock, Seconds(std::min(state_->options.timeout, 5.0)), [&] { return state_->ended; });
  } catch (...) {
    // Then the others find this rank lost.
  }
}

void Heartbeat::leave() noexcept {
  try {
    change([&] { state_->left = true; });
  } catch (...) {
    // No mutex: nothing to be done.
  }
}

}  // namespace rdrop
