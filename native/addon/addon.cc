// The core's export table: Native of lib/native/contract.ts. rdrop.node (loader.cc) calls rdrop_core_init once per
// environment.
#include <napi.h>
#include <torch/version.h>

#include <exception>
#include <optional>

#include "addon/convert.h"
#include "device/open_cuda.h"
#include "core/errors.h"
#include "addon/handles.h"
#include "model/linear.h"
#include "core/dispatch.h"
#include "core/kernels.h"
#include "addon/threads.h"
#include "addon/time_loss.h"
#include "ops/squared_error/squared_error.h"
#include "addon/waiting.h"
#include "addon/worker.h"

namespace rdrop {
namespace {

/// contractVersion of lib/native/contract.ts.
constexpr int contract_version = 3;

std::string compute_capability(int major, int minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

/// Asks the driver; opens nothing of CUDA.
Napi::Object cuda_info(Napi::Env env) {
  auto object = Napi::Object::New(env);
  const std::string reason = cuda_unavailable_reason();
  object.Set("available", reason.empty());
  object.Set("reason", reason.empty() ? env.Null() : Napi::Value(Napi::String::New(env, reason)));
  const std::string& version = driver().version;
  object.Set("driver", version.empty() ? env.Null() : Napi::Value(Napi::String::New(env, version)));
  auto devices = Napi::Array::New(env);
  for (const DriverDevice& device : driver().devices) {
    auto found = Napi::Object::New(env);
    found.Set("name", device.name);
    found.Set("computeCapability", compute_capability(device.compute_major, device.compute_minor));
    found.Set("totalBytes", double(device.total_bytes));
    devices.Set(devices.Length(), found);
  }
  object.Set("devices", devices);
  return object;
}

Napi::Value info_of(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    auto object = Napi::Object::New(info.Env());
    object.Set("compiledAgainst", TORCH_VERSION);
    object.Set("instructionSet", instruction_set_name());
    object.Set("float32Product", product_library(at::kFloat));
    object.Set("bfloat16Product", product_library(at::kBFloat16));
    object.Set("threads", double(engine_threads()));
    object.Set("waiting", waiting_asleep() ? "sleeping" : "spinning");
    object.Set("cuda", cuda_info(info.Env()));
    return Napi::Value(object);
  });
}

/// {libtorch: string[], rdropCuda: string, missing: string | null}.
Napi::Value set_cuda_libraries_of(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    const auto object = info[0].ToObject();
    const auto list = object.Get("libtorch").As<Napi::Array>();
    CudaLibraries libraries;
    for (uint32_t i = 0; i < list.Length(); ++i) libraries.libtorch.push_back(list.Get(i).ToString().Utf8Value());
    libraries.rdrop_cuda = object.Get("rdropCuda").ToString().Utf8Value();
    const Napi::Value missing = object.Get("missing");
    if (missing.IsString()) libraries.missing = missing.ToString().Utf8Value();
    set_cuda_libraries(std::move(libraries));
    return info.Env().Undefined();
  });
}

Napi::Value open_cuda_of(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    return run(
        info.Env(), [index = info[0].ToNumber().Int32Value()] { return open_cuda_device(index).info(); },
        [](Napi::Env env, const DeviceInfo& device) {
          auto object = Napi::Object::New(env);
          object.Set("name", device.name);
          object.Set("computeCapability", compute_capability(device.compute_major, device.compute_minor));
          object.Set("totalBytes", double(device.total_bytes));
          object.Set("multiprocessors", device.multiprocessors);
          object.Set("peakBytes", double(device.peak_bytes));
          return Napi::Value(object);
        });
  });
}

Napi::Value reset_peak_of(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    return run(
        info.Env(),
        [index = info[0].ToNumber().Int32Value()] {
          open_cuda_device(index).reset_peak();
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  });
}

Napi::Value set_threads(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    const double asked = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
    if (!(asked >= 0 && asked <= 1024) || asked != double(int64_t(asked))) {
      fail(ErrorCode::invalid_argument, "threads: expected 0 (every core) or a count up to 1024");
    }
    const auto wanted = int64_t(asked);
    return run_unprepared(
        info.Env(),
        [wanted] {
          set_engine_threads(wanted);
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  });
}

Napi::Value set_instruction_set(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    const std::string name = info[0].ToString().Utf8Value();
    if (!select_kernels(name.c_str())) {
      fail(ErrorCode::invalid_argument,
           "instruction set: expected scalar, avx2 or avx512 where this machine runs it, got '", name, "'");
    }
    return info.Env().Undefined();
  });
}

Napi::Value learning_rate_of(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(
        info.Env(), portable::scheduled_rate(optimizer_options(info[0]).schedule, info[1].ToNumber().Int64Value()));
  });
}

/// What rdropLoss and rdropLossSync are given, copied out of JavaScript's memory.
struct LossCall {
  at::Tensor logits, targets;  ///< [P·N,V], [N]
  LossOptions options;
};

struct LossAnswer {
  LossSums sums;
  at::Tensor gradient;
};

LossCall loss_call(const Napi::CallbackInfo& info) {
  const int64_t classes = info[1].ToNumber().Int64Value();
  const at::Tensor logits = float_tensor(info[0]), targets = int_tensor(info[2]);
  const LossOptions options = loss_options(info[3]);
  const int64_t rows = options.passes * targets.numel();
  // By division: the product of two numbers from outside may overflow.
  if (classes < 1 ||
      (rows == 0 ? logits.numel() != 0 : logits.numel() % rows != 0 || logits.numel() / rows != classes)) {
    fail(ErrorCode::invalid_argument, "logits: expected ", options.passes, " × ", targets.numel(), " × ", classes,
         " numbers, got ", logits.numel());
  }
  return {logits.view({rows, classes}), targets, options};
}

LossAnswer answer_of(LossCall& call) {
  const LossSums sums =
      rdrop_loss(call.logits, call.targets, call.options, call.logits);  // the copy becomes the gradient
  return {sums, call.logits};
}

Napi::Value loss_result(Napi::Env env, const LossAnswer& answer) {
  Napi::Object result = loss_object(env, answer.sums);
  result.Set("gradient", float_array(env, answer.gradient));
  return result;
}

Napi::Value rdrop_loss_of(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    return run(
        info.Env(), [call = loss_call(info)]() mutable { return answer_of(call); }, loss_result);
  });
}

Napi::Value squared_error_of(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    return run(
        info.Env(),
        [predictions = float_tensor(info[0]), values = float_tensor(info[1]),
         options = loss_options(info[2])]() mutable {
          const LossSums sums = squared_error(predictions, values, options, predictions);
          return LossAnswer{sums, predictions};
        },
        loss_result);
  });
}

/// An idle engine has its threads ready and lends them. One at work is left alone: the caller's own thread computes,
/// alone, for a second team of threads would take the cores from the first. The bits are the same: no row depends on
/// another.
Napi::Value rdrop_loss_sync_of(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    LossCall call = loss_call(info);
    std::optional<LossAnswer> answer;
    std::exception_ptr failure;
    const auto work = [&](bool engine) {
      try {
        if (engine) prepare_engine();
        answer.emplace(answer_of(call));
      } catch (...) {
        failure = std::current_exception();
      }
    };
    if (!run_on_idle_engine(info.Env(), [&] { work(true); })) {
      const AloneScope alone;
      work(false);
    }
    if (failure) std::rethrow_exception(failure);
    return loss_result(info.Env(), *answer);
  });
}

}  // namespace
}  // namespace rdrop

extern "C" __attribute__((visibility("default"))) napi_value rdrop_core_init(napi_env raw, napi_value target) {
  const Napi::Env env(raw);
  return rdrop::guard(env, [&]() -> Napi::Value {
    rdrop::open_worker(env);
    Napi::Object exports(env, target);
    exports.Set("contract", rdrop::contract_version);
    exports.Set("info", Napi::Function::New(env, rdrop::info_of));
    exports.Set("setCudaLibraries", Napi::Function::New(env, rdrop::set_cuda_libraries_of));
    exports.Set("openCuda", Napi::Function::New(env, rdrop::open_cuda_of));
    exports.Set("resetPeak", Napi::Function::New(env, rdrop::reset_peak_of));
    exports.Set("setThreads", Napi::Function::New(env, rdrop::set_threads));
    exports.Set("setInstructionSet", Napi::Function::New(env, rdrop::set_instruction_set));
    exports.Set("learningRate", Napi::Function::New(env, rdrop::learning_rate_of));
    exports.Set("rdropLoss", Napi::Function::New(env, rdrop::rdrop_loss_of));
    exports.Set("rdropLossSync", Napi::Function::New(env, rdrop::rdrop_loss_sync_of));
    exports.Set("squaredError", Napi::Function::New(env, rdrop::squared_error_of));
    exports.Set("timeLoss", Napi::Function::New(env, rdrop::time_loss_of));
    exports.Set("Transformer", rdrop::transformer_exports(env));
    exports.Set("Trainer", rdrop::trainer_exports(env));
    exports.Set("Group", rdrop::group_exports(env));
    return exports;
  });
}
