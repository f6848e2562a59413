// The engine thread and the way back to JavaScript.
#include "addon/worker.h"

#include <c10/util/Exception.h>
#include <pthread.h>

#include <cstdlib>
#include <future>
#include <new>
#include <system_error>
#include <thread>

#include "core/errors.h"
#include "addon/job_queue.h"

namespace rdrop {

namespace {

Failure describe_current() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {ErrorCode::out_of_memory, "memory could not be allocated"};
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::resource_unavailable_try_again) return {ErrorCode::internal, error.what()};
    return {ErrorCode::process_limit,
            "a thread could not be started: the limits of this process (ulimit -u, ulimit -v, pids.max of "
            "its control group) allow no more"};
  } catch (const c10::OutOfMemoryError& error) {
    return {ErrorCode::out_of_memory, std::string("libtorch: ") + error.what_without_backtrace()};
  } catch (const c10::AcceleratorError& error) {
    return {ErrorCode::cuda_failed, std::string("libtorch: ") + error.what_without_backtrace()};
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    const auto says = [&](const char* words) { return message.find(words) != std::string::npos; };
    const bool cuda = says("CUDA error") || says("CUBLAS_STATUS");
    return {says("allocate memory") ? ErrorCode::out_of_memory
            : cuda                  ? ErrorCode::cuda_failed
                                    : ErrorCode::internal,
            "libtorch: " + message};
  } catch (const std::exception& error) {
    return {ErrorCode::internal, error.what()};
  } catch (...) {
    return {ErrorCode::internal, "an exception of unknown type"};
  }
}

}  // namespace

Failure current_failure() noexcept {
  try {
    return describe_current();
  } catch (...) {
    return {ErrorCode::out_of_memory, "no memory left"};  // short enough to need none
  }
}

namespace {

/// The engine thread and its queue. Never destroyed: libraries may ask for it while their static objects go.
class Engine {
 public:
  static JobQueue& queue() {
    static Engine* engine = std::make_unique<Engine>().release();
    return engine->queue_;
  }

  Engine() {
    std::thread([this] {
      // For who looks at the process; libgomp's threads inherit it.
      pthread_setname_np(pthread_self(), "rdrop-engine");
      queue_.work();
    }).detach();
    // exit() destroys libtorch's static objects: no job may be at work by then. Registered after libtorch's, so called
    // before.
    std::atexit([] { queue().end(); });
  }

 private:
  JobQueue queue_;
};

/// What an environment (the main thread or a worker_threads thread) owns.
struct Channel {
  napi_threadsafe_function back = nullptr;
  int64_t pending = 0;  ///< unsettled promises; the process stays alive while there are any
};

using Finish = std::function<void(Napi::Env)>;

void call_finish(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<Finish> finish(static_cast<Finish*>(data));
  if (!env) return;  // the environment is going down: nobody is left to hear the answer
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  (*finish)(env);
  napi_close_handle_scope(env, scope);
}

napi_value string_of(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

/// An Error with a code; null where the environment can make none.
napi_value error_of(napi_env env, const Failure& failure) {
  napi_value error = nullptr;
  napi_create_error(env, string_of(env, name_of(failure.code)), string_of(env, failure.message), &error);
  return error;
}

/// The JS value of the exception being handled; null where the environment can make none.
napi_value current_error(napi_env env) noexcept {
  try {
    try {
      throw;
    } catch (const Napi::Error& error) {
      return error.Value();
    } catch (...) {
      return error_of(env, current_failure());
    }
  } catch (...) {
    return nullptr;
  }
}

}  // namespace

void open_worker(Napi::Env env) {
  auto channel = std::make_unique<Channel>();
  Channel* raw = channel.get();
  const napi_status status = napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "rdrop"), 0,
                                                             1, nullptr, nullptr, nullptr, call_finish, &raw->back);
  if (status != napi_ok) throw Napi::Error::New(env);
  napi_unref_threadsafe_function(env, raw->back);
  const auto close = [](void* data) {
    auto* closing = static_cast<Channel*>(data);
    Engine::queue().forget(closing);
    napi_release_threadsafe_function(closing->back, napi_tsfn_abort);
  };
  const auto destroy = [](napi_env, void* data, void*) {
    const std::unique_ptr<Channel> last(static_cast<Channel*>(data));
  };
  if (napi_set_instance_data(env, raw, destroy, nullptr) != napi_ok) {
    napi_release_threadsafe_function(raw->back, napi_tsfn_abort);
    throw Napi::Error::New(env);
  }
  channel.release();  // the environment deletes it, after the hook
  if (napi_add_env_cleanup_hook(env, close, raw) != napi_ok) throw Napi::Error::New(env);
}

void detail::post(Napi::Env env, std::function<void()> job, std::function<void(Napi::Env)> finish) {
  Channel* channel = env.GetInstanceData<Channel>();
  // Made here, so that the engine thread needs no memory to send it.
  auto answer = std::make_shared<std::unique_ptr<Finish>>(
      std::make_unique<Finish>([channel, finish = std::move(finish)](Napi::Env env) {
        if (--channel->pending == 0) napi_unref_threadsafe_function(env, channel->back);
        finish(env);
      }));
  Engine::queue().post(channel, [channel, job = std::move(job), answer = std::move(answer)]() mutable {
    job();
    job = nullptr;
    if (napi_call_threadsafe_function(channel->back, answer->get(), napi_tsfn_blocking) == napi_ok) answer->release();
  });
  // The answer is delivered by this thread's event loop, so not before this.
  if (channel->pending++ == 0) napi_ref_threadsafe_function(env, channel->back);
}

void release_on_engine(std::shared_ptr<void> object) noexcept {
  try {
    const auto held = std::make_shared<std::shared_ptr<void>>(std::move(object));
    auto done = std::make_shared<std::promise<void>>();
    const std::future<void> waited = done->get_future();
    // Of no environment: it goes through when the one of the object is gone.
    if (Engine::queue().post_if_idle(nullptr, [held, done = std::move(done)] {
          held->reset();
          done->set_value();
        })) {
      waited.wait();  // a queue that ends drops the job, and with it the promise: then this returns too
    } else {
      Engine::queue().post(nullptr, [held] { held->reset(); });
    }
  } catch (...) {
    // No memory for a job: what is still held is released here.
  }
}

bool run_on_idle_engine(Napi::Env env, const std::function<void()>& work) {
  auto done = std::make_shared<std::promise<void>>();
  std::future<void> waited = done->get_future();
  if (!Engine::queue().post_if_idle(env.GetInstanceData<Channel>(), [&work, done = std::move(done)] {
        work();
        done->set_value();
      })) {
    return false;
  }
  waited.get();  // a queue that ends drops the job, and with it the promise: then this throws
  return true;
}

void detail::throw_to_js(Napi::Env env) noexcept {
  const napi_value error = current_error(env);
  bool pending = false;
  if (error && napi_is_exception_pending(env, &pending) == napi_ok && !pending) napi_throw(env, error);
}

void detail::settle(Napi::Env env, napi_deferred promise, napi_value value, bool rejection) noexcept {
  // A value that could not be made means that the environment is being torn down; the promise goes with it.
  if (!value) return;
  rejection ? napi_reject_deferred(env, promise, value) : napi_resolve_deferred(env, promise, value);
}

void detail::reject(Napi::Env env, napi_deferred promise) noexcept {
  settle(env, promise, current_error(env), true);
}

void detail::reject(Napi::Env env, napi_deferred promise, const Failure& failure) noexcept {
  settle(env, promise, error_of(env, failure), true);
}

}  // namespace rdrop
