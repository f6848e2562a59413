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

namespace rdrop {

/// A failure on its way to JavaScript: the code of lib/errors.ts and a message.
struct Failure {
  std::string code, message;
};

/// Describes the exception being handled.
Failure current_failure();

/// An Error object with a code.
Napi::Error to_js(Napi::Env env, const Failure& failure);

/// Prepares an environment: its channel back from the engine thread, and the hook that waits for it at exit.
void open_worker(Napi::Env env);

namespace detail {
/// Runs `job` on the engine thread, then `finish` on the JS thread of env.
void post(Napi::Env env, std::function<void()> job, std::function<void(Napi::Env)> finish);
}  // namespace detail

/// Promise of build(env, work()): work runs on the engine thread, build on the JS thread. An exception of either
/// becomes a rejection with a code. `settled`, where given, runs on the JS thread before the promise settles either
/// way.
template <typename Work, typename Build>
Napi::Value run(Napi::Env env, Work work, Build build, std::function<void()> settled = {}) {
  using Result = decltype(work());
  struct Task {
    Napi::Promise::Deferred deferred;
    std::optional<Result> result;
    std::optional<Failure> failure;
  };
  auto task = std::make_shared<Task>(Task{Napi::Promise::Deferred::New(env), {}, {}});
  Napi::Value promise = task->deferred.Promise();
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
        if (!task->failure) {
          try {
            task->deferred.Resolve(build(env, std::move(*task->result)));
            return;
          } catch (const Napi::Error& error) {
            task->deferred.Reject(error.Value());
            return;
          } catch (...) {
            task->failure = current_failure();
          }
        }
        task->deferred.Reject(to_js(env, *task->failure).Value());
      });
  return promise;
}

/// Calls f; an exception becomes a JS exception with a code.
template <typename F>
Napi::Value guard(Napi::Env env, F&& f) {
  try {
    return f();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js(env, current_failure());
  }
}

}  // namespace rdrop
