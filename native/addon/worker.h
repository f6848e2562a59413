// Work off the JS thread: one engine thread runs the jobs of the process one after another, so that libtorch's team of
// threads is started once, results do not depend on which pool thread ran a job, and two calls never share a buffer. A
// job is plain C++ (no JS value leaves the JS thread); its answer is built back on the JS thread.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "addon/threads.h"
#include "core/errors.h"

namespace rdrop {

/// A failure on its way to JavaScript: a code and a message.
struct Failure {
  ErrorCode code;
  std::string message;
};

/// Describes the exception being handled.
Failure current_failure() noexcept;

/// Prepares an environment: its channel back from the engine thread, and the hook that waits for it at exit.
void open_worker(Napi::Env env);

/// Runs `work` on the engine thread while the caller waits, where the engine has nothing else to do; false: it has, and
/// nothing was run. `work` must not throw and must not touch JS values.
bool run_on_idle_engine(Napi::Env env, const std::function<void()>& work);

/// Lets go of an object on the engine's thread, where a device's graphs are replayed and so must be destroyed: at once
/// while the caller waits where the engine has nothing else to do, otherwise when what came before has ended.
void release_on_engine(std::shared_ptr<void> object) noexcept;

namespace detail {
/// Runs `job` on the engine thread, then `finish` on the JS thread of env. Neither may throw.
void post(Napi::Env env, std::function<void()> job, std::function<void(Napi::Env)> finish);

/// Makes the exception being handled a JS exception, unless one waits already. An environment that is being torn down
/// can take none: then nothing happens, for nobody is left to hear it.
void throw_to_js(Napi::Env env) noexcept;

/// Settles a promise, once. `rejection`: the value is a rejection's.
void settle(Napi::Env env, napi_deferred promise, napi_value value, bool rejection) noexcept;

/// Rejects a promise with the exception being handled.
void reject(Napi::Env env, napi_deferred promise) noexcept;
void reject(Napi::Env env, napi_deferred promise, const Failure& failure) noexcept;
}  // namespace detail

/// Promise of build(env, work()): work runs on the engine thread, build on the JS thread. An exception of either
/// becomes a rejection with a code. `settled`, where given, runs on the JS thread before the promise settles either
/// way. The engine's threads are whatever they are.
template <typename Work, typename Build>
Napi::Value run_unprepared(Napi::Env env, Work work, Build build, std::function<void()> settled = {}) {
  using Result = decltype(work());
  struct Task {
    napi_deferred promise;
    std::optional<Result> result;
    std::optional<Failure> failure;
  };
  napi_value promise;
  auto task = std::make_shared<Task>();
  if (napi_create_promise(env, &task->promise, &promise) != napi_ok) throw Napi::Error::New(env);
  detail::post(
      env,
      [task, work = std::move(work)]() mutable {
        try {
          task->result.emplace(work());
        } catch (...) {
          task->failure = current_failure();
        }
      },
      [task, build = std::move(build), settled = std::move(settled)](Napi::Env env) mutable {
        if (settled) settled();
        if (task->failure) return detail::reject(env, task->promise, *task->failure);
        napi_value value = nullptr;
        try {
          value = build(env, std::move(*task->result));
        } catch (...) {
          return detail::reject(env, task->promise);
        }
        detail::settle(env, task->promise, value, false);
      });
  return Napi::Value(env, promise);
}

/// The same for work that computes: on a team of threads that is complete, or PROCESS_LIMIT.
template <typename Work, typename Build>
Napi::Value run(Napi::Env env, Work work, Build build, std::function<void()> settled = {}) {
  return run_unprepared(
      env,
      [work = std::move(work)]() mutable {
        prepare_engine();
        return work();
      },
      std::move(build), std::move(settled));
}

/// Calls f; an exception becomes a JS exception with a code. No C++ exception leaves it: what node-addon-api makes of
/// one ends the process in an environment that is being torn down.
template <typename F>
Napi::Value guard(Napi::Env env, F&& f) noexcept {
  try {
    return f();
  } catch (...) {
    detail::throw_to_js(env);
    return {};
  }
}

}  // namespace rdrop
