// The trainer as JavaScript sees it: NativeTrainer of lib/native/contract.ts.
#include <chrono>

#include "addon/convert.h"
#include "core/errors.h"
#include "addon/handles.h"
#include "model/tensors.h"
#include "addon/worker.h"

namespace rdrop {
namespace {

Napi::Value step_metrics(Napi::Env env, const StepMetrics& metrics) {
  Napi::Object object = loss_object(env, metrics.sums);
  object.Set("gradientNorm", metrics.gradient_norm);
  object.Set("learningRate", metrics.learning_rate);
  object.Set("steps", double(metrics.steps));
  object.Set("skipped", double(metrics.skipped));
  object.Set("lossScale", metrics.loss_scale);
  object.Set("graphs", double(metrics.graphs));
  object.Set("shapesWithoutGraph", double(metrics.shapes_without_graph));
  object.Set("graphFallbackReason", metrics.graph_fallback_reason);
  return object;
}

using TrainerHandle = Handle<Trainer>;
using Shared = std::shared_ptr<TrainerHandle>;

/// Runs work that excludes every other call on this trainer.
template <typename Work, typename Build>
Napi::Value run_alone(const Napi::CallbackInfo& info, const Shared& handle, Work work, Build build) {
  if (handle->busy) fail(ErrorCode::busy, "Trainer: one call at a time; await the previous one first");
  handle->busy = true;
  return run(info.Env(), std::move(work), std::move(build), [handle] { handle->busy = false; });
}

Napi::Value step(const Napi::CallbackInfo& info, const Shared& handle) {
  struct Timed {
    StepResult result;
    double seconds;
  };
  const auto trainer = handle->get();
  const double flags = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : 0;
  if (!(flags >= 0 && flags < 256)) fail(ErrorCode::invalid_argument, "flags: expected bits 0 to 7, got ", flags);
  return run_alone(
      info, handle,
      [trainer, flags = uint32_t(flags), batches = packed_batches(info[0])] {
        const auto start = std::chrono::steady_clock::now();
        StepResult result = trainer->step(batches, flags);
        return Timed{std::move(result),
                     std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
      },
      [](Napi::Env env, const Timed& timed) {
        const StepResult& result = timed.result;
        auto object = Napi::Object::New(env);
        object.Set("update", double(result.update));
        object.Set("tokens", double(result.tokens));
        object.Set("pairs", double(result.pairs));
        object.Set("sourceTokens", double(result.source_tokens));
        object.Set("flags", double(result.flags));
        object.Set("seconds", timed.seconds);
        object.Set("metrics", result.metrics ? step_metrics(env, *result.metrics) : env.Null());
        return Napi::Value(object);
      });
}

Napi::Value metrics(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto trainer = handle->get();
  return run_alone(
      info, handle, [trainer] { return trainer->metrics(); },
      [](Napi::Env env, const StepMetrics& result) { return step_metrics(env, result); });
}

Napi::Value counters(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto trainer = handle->get();
  return run_alone(
      info, handle, [trainer] { return trainer->counters(); },
      [](Napi::Env env, const TrainerCounters& counters) {
        auto object = Napi::Object::New(env);
        object.Set("update", double(counters.update));
        object.Set("applied", double(counters.applied));
        object.Set("lossScale", counters.loss_scale);
        object.Set("lastOverflow", double(counters.last_overflow));
        return Napi::Value(object);
      });
}

Napi::Value set_counters(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto trainer = handle->get();
  const TrainerCounters counters{integer_property(info[0], "update", 0), integer_property(info[0], "applied", 0),
                                 number_property(info[0], "lossScale"), integer_property(info[0], "lastOverflow", -1)};
  return run_alone(
      info, handle,
      [trainer, counters] {
        trainer->set_counters(counters);
        return true;
      },
      [](Napi::Env env, bool) { return env.Undefined(); });
}

/// Whether the argument names the second moment or the first.
bool is_second(const Napi::Value& value) {
  const std::string which = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (which != "first" && which != "second")
    fail(ErrorCode::invalid_argument, "expected the moment 'first' or 'second'");
  return which == "second";
}

Napi::Value read_moment(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto trainer = handle->get();
  return run_alone(
      info, handle,
      [trainer, second = is_second(info[0]), range = parameter_range(info, 1)] {
        const DeviceScope scope(trainer->model().device());
        return trainer->model().parameters().read_range(range, trainer->moment(second));
      },
      [](Napi::Env env, const at::Tensor& values) { return float_array(env, values); });
}

Napi::Value write_moment(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto trainer = handle->get();
  return run_alone(
      info, handle,
      [trainer, second = is_second(info[0]), range = parameter_range(info, 1), values = float_tensor(info[4])] {
        const DeviceScope scope(trainer->model().device());
        trainer->model().parameters().write_range(range, values, trainer->moment(second));
        return true;
      },
      [](Napi::Env env, bool) { return env.Undefined(); });
}

Napi::Value dispose(const Napi::CallbackInfo& info, const Shared& handle) {
  handle->dispose(info.Env());
  return info.Env().Undefined();
}

Napi::Value wrap(Napi::Env env, std::shared_ptr<Trainer> trainer) {
  auto object = Napi::Object::New(env);
  auto handle = std::make_shared<TrainerHandle>(env, std::move(trainer), "Trainer");
  set_methods<Trainer>(object, handle,
                       {{"step", step},
                        {"metrics", metrics},
                        {"counters", counters},
                        {"setCounters", set_counters},
                        {"readMoment", read_moment},
                        {"writeMoment", write_moment},
                        {"dispose", dispose}});
  object.DefineProperty(Napi::PropertyDescriptor::Accessor(
      env, object, "update",
      [handle](const Napi::CallbackInfo& info) {
        return guard(info.Env(),
                     [&]() -> Napi::Value { return Napi::Number::New(info.Env(), double(handle->get()->update())); });
      },
      napi_enumerable));
  own(object, handle);
  return object;
}

}  // namespace

/// {group, gradientType, bucketBytes, backend}, or nothing.
std::optional<Distributed> distributed_of(const Napi::Value& value) {
  if (value.IsUndefined() || value.IsNull()) return std::nullopt;
  const Napi::Value type = property(value, "gradientType");
  const std::string name = type.IsString() ? type.As<Napi::String>().Utf8Value() : "";
  if (name != "float32" && name != "bfloat16")
    fail(ErrorCode::invalid_argument, "gradientType: expected 'float32' or 'bfloat16'");
  const Napi::Value chosen = property(value, "backend");
  const std::string backend = chosen.IsString() ? chosen.As<Napi::String>().Utf8Value() : "";
  if (backend != "gloo" && backend != "nccl") fail(ErrorCode::invalid_argument, "backend: expected 'gloo' or 'nccl'");
  return Distributed{group_of(property(value, "group")), name == "bfloat16", integer_property(value, "bucketBytes", 1),
                     backend == "nccl"};
}

Napi::Object trainer_exports(Napi::Env env) {
  auto exports = Napi::Object::New(env);
  exports.Set("create", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return guard(info.Env(), [&] {
                  return run(
                      info.Env(),
                      [model = transformer_of(info[0]), optimizer = optimizer_options(info[1]),
                       loss = loss_options(info[2]), distributed = distributed_of(info[3])] {
                        return std::make_shared<Trainer>(model, optimizer, loss, distributed);
                      },
                      [](Napi::Env env, std::shared_ptr<Trainer> trainer) { return wrap(env, std::move(trainer)); });
                });
              }));
  return exports;
}

}  // namespace rdrop
