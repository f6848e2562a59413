// The engine thread and the way back to JavaScript.
#include "worker.h"

#include <c10/util/Exception.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <thread>

#include "errors.h"

namespace rdrop {

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {"OUT_OF_MEMORY", "memory could not be allocated"};
  } catch (const c10::OutOfMemoryError& error) {
    return {"OUT_OF_MEMORY", std::string("libtorch: ") + error.what_without_backtrace()};
  } catch (const c10::AcceleratorError& error) {
    return {"CUDA_FAILED", std::string("libtorch: ") + error.what_without_backtrace()};
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    const auto says = [&](const char* words) { return message.find(words) != std::string::npos; };
    const bool cuda = says("CUDA error") || says("CUBLAS_STATUS");
    return {says("allocate memory") ? "OUT_OF_MEMORY" : cuda ? "CUDA_FAILED" : "INTERNAL", "libtorch: " + message};
  } catch (const std::exception& error) {
    return {"INTERNAL", error.what()};
  } catch (...) {
    return {"INTERNAL", "an exception of unknown type"};
  }
}

Napi::Error to_js(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", Napi::String::New(env, failure.code));
  return error;
}

namespace {

/// One thread, one queue. Never destroyed: it may outlive static objects of other libraries, but by then it is idle.
class Engine {
 public:
  static Engine& instance() {
    static Engine* engine = std::make_unique<Engine>().release();
    return *engine;
  }

  Engine() : thread_([this] { loop(); }) { thread_.detach(); }

  void post(const void* owner, std::function<void()> job) {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back({owner, std::move(job)});
    }
    changed_.notify_all();
  }

  /// Drops the waiting jobs of an owner and waits for the one that runs.
  void forget(const void* owner) {
    std::unique_lock lock(mutex_);
    std::erase_if(jobs_, [&](const Job& job) { return job.owner == owner; });
    changed_.wait(lock, [&] { return running_ != owner; });
  }

 private:
  struct Job {
    const void* owner;
    std::function<void()> run;
  };

  void loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return !jobs_.empty(); });
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      running_ = job.owner;
      lock.unlock();
      job.run();
      job.run = nullptr;  // what the job pinned is released on this thread, outside the lock
      lock.lock();
      running_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  const void* running_ = nullptr;
  std::thread thread_;
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
  const Napi::HandleScope scope(env);
  (*finish)(env);
}

}  // namespace

void open_worker(Napi::Env env) {
  auto channel = std::make_unique<Channel>();
  Channel* raw = channel.get();
  const napi_status status = napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "rdrop"), 0,
                                                             1, nullptr, nullptr, nullptr, call_finish, &raw->back);
  if (status != napi_ok) throw Napi::Error::New(env, "the channel to the engine thread could not be made");
  napi_unref_threadsafe_function(env, raw->back);
  env.SetInstanceData<Channel>(channel.release());  // the environment deletes it
  env.AddCleanupHook(
      [](Channel* closing) {
        Engine::instance().forget(closing);
        napi_release_threadsafe_function(closing->back, napi_tsfn_abort);
      },
      raw);
}

void detail::post(Napi::Env env, std::function<void()> job, std::function<void(Napi::Env)> finish) {
  Channel* channel = env.GetInstanceData<Channel>();
  if (channel->pending++ == 0) napi_ref_threadsafe_function(env, channel->back);
  auto answer = std::make_shared<Finish>([channel, finish = std::move(finish)](Napi::Env env) {
    if (--channel->pending == 0) napi_unref_threadsafe_function(env, channel->back);
    finish(env);
  });
  Engine::instance().post(channel, [channel, job = std::move(job), answer = std::move(answer)]() mutable {
    job();
    job = nullptr;
    auto sent = std::make_unique<Finish>(std::move(*answer));
    if (napi_call_threadsafe_function(channel->back, sent.get(), napi_tsfn_blocking) == napi_ok) sent.release();
  });
}

}  // namespace rdrop
