// See time_loss.h. N target positions, V classes.
#include "addon/time_loss.h"

#include <ATen/ops/empty_like.h>

#include <chrono>
#include <cstring>
#include <vector>

#include "addon/convert.h"
#include "core/errors.h"
#include "core/dispatch.h"
#include "device/device_struct.h"
#include "ops/rdrop_loss/rdrop_loss.h"
#include "device/loss_sums.h"
#include "addon/worker.h"

namespace rdrop {
namespace {

struct Times {
  /// Of each repetition: memcpy in parallel, ATen's copy_, the loss. On a device both copies are its own.
  std::vector<double> memory_copy, tensor_copy, loss;
};

/// A device is waited for once a group: one operation is too short for the wait beside it.
constexpr int kGroup = 10;

template <typename F>
double seconds_of(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void copy_in_parallel(const at::Tensor& from, at::Tensor& to) {
  const int64_t rows = from.size(0), bytes = int64_t(from.nbytes()) / rows;
  const char* source = static_cast<const char*>(from.const_data_ptr());
  char* target = static_cast<char*>(to.mutable_data_ptr());
  parallel_ranges(0, rows, 1, [&](int64_t begin, int64_t end) {
    std::memcpy(target + begin * bytes, source + begin * bytes, (end - begin) * bytes);
  });
}

Times time_on_cpu(const at::Tensor& logits, const at::Tensor& targets, const LossOptions& options, int64_t repeats) {
  at::Tensor other = at::empty_like(logits);
  copy_in_parallel(logits, other);
  rdrop_loss(logits, targets, options, other);  // both warm, every page there
  Times times;
  for (int64_t i = 0; i < repeats; ++i) {
    times.memory_copy.push_back(seconds_of([&] { copy_in_parallel(logits, other); }));
    times.loss.push_back(seconds_of([&] { rdrop_loss(logits, targets, options, other); }));
    times.tensor_copy.push_back(seconds_of([&] { other.copy_(logits); }));
  }
  return times;
}

at::Tensor uploaded(Device& device, const at::Tensor& tensor) {
  at::Tensor there = device.memory().empty(tensor.sizes(), tensor.scalar_type());
  device.memory().upload(tensor.const_data_ptr(), tensor.nbytes(), there);
  return there;
}

Times time_on(Device& device, const at::Tensor& host_logits, const at::Tensor& host_targets, const LossOptions& options,
              int64_t repeats) {
  const at::Tensor logits = uploaded(device, host_logits), targets = uploaded(device, host_targets);
  at::Tensor other = device.memory().empty(logits.sizes(), logits.scalar_type());
  DeviceStruct<DeviceLossSums> sums(device);
  sums.write({});
  const auto loss = [&] { rdrop_loss_on(device, logits, targets, options, other, sums.address(), 0, nullptr); };
  const auto copy = [&] { device.memory().copy(logits, other); };
  const auto seconds = [&](const auto& work) {
    const double all = seconds_of([&] {
      for (int i = 0; i < kGroup; ++i) work();
      device.synchronize();
    });
    return all / kGroup;
  };
  copy();
  loss();
  checked_sums(sums.read(), options);  // warm, and free of faults
  Times times;
  for (int64_t i = 0; i < repeats; ++i) {
    times.tensor_copy.push_back(seconds(copy));
    times.loss.push_back(seconds(loss));
  }
  times.memory_copy = times.tensor_copy;
  return times;
}

Napi::Value seconds_array(Napi::Env env, const std::vector<double>& seconds) {
  auto array = Napi::Float64Array::New(env, seconds.size());
  std::copy(seconds.begin(), seconds.end(), array.Data());
  return array;
}

}  // namespace

Napi::Value time_loss_of(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    const int64_t classes = info[1].ToNumber().Int64Value(), repeats = info[4].ToNumber().Int64Value();
    at::Tensor logits = float_tensor(info[0]), targets = int_tensor(info[2]);
    if (classes < 1 || repeats < 1 || targets.numel() < 1 || logits.numel() % (2 * targets.numel()) != 0 ||
        logits.numel() / (2 * targets.numel()) != classes) {
      fail(ErrorCode::invalid_argument,
           "timeLoss: expected logits [2N,V], V, targets [N], options, repeats and a runtime");
    }
    return run(
        info.Env(),
        [logits = logits.view({2 * targets.numel(), classes}), targets, repeats, options = loss_options(info[3]),
         where = runtime(info[5])] {
          Device* device = where.open();
          return device ? time_on(*device, logits, targets, options, repeats)
                        : time_on_cpu(logits, targets, options, repeats);
        },
        [](Napi::Env env, const Times& times) {
          auto answer = Napi::Object::New(env);
          answer.Set("memoryCopy", seconds_array(env, times.memory_copy));
          answer.Set("tensorCopy", seconds_array(env, times.tensor_copy));
          answer.Set("loss", seconds_array(env, times.loss));
          return Napi::Value(answer);
        });
  });
}

}  // namespace rdrop
