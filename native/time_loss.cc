// See time_loss.h. N target positions, V classes.
#include "time_loss.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>

#include <chrono>
#include <cstring>
#include <vector>

#include "convert.h"
#include "errors.h"
#include "ops/rdrop_loss.h"
#include "worker.h"

namespace rdrop {
namespace {

struct Times {
  /// Of each repetition: memcpy in parallel, ATen's copy_, the loss.
  std::vector<double> memory_copy, tensor_copy, loss;
};

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
  at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
    std::memcpy(target + begin * bytes, source + begin * bytes, (end - begin) * bytes);
  });
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
    if (classes < 1 || repeats < 1 || targets.numel() < 1 || logits.numel() != 2 * targets.numel() * classes) {
      fail("INVALID_ARGUMENT", "timeLoss: expected logits [2N,V], V, targets [N], options and repeats");
    }
    return run(
        info.Env(),
        [logits = logits.view({2 * targets.numel(), classes}), targets, repeats, options = loss_options(info[3])] {
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
