// The objects that JavaScript holds: plain objects whose methods are closures over a native handle, so that no method
// depends on its receiver. States of a transformer: ready, disposed. States of a trainer: ready, stepping, disposed.
#pragma once

#include <napi.h>

#include <initializer_list>
#include <memory>
#include <utility>

#include "addon/worker.h"
#include "core/errors.h"
#include "distributed/group.h"
#include "model/snapshot.h"
#include "model/transformer.h"
#include "training/trainer.h"

namespace rdrop {

/// What keeps a native object alive from JavaScript, and reports its memory to V8.
template <typename T>
class Handle {
 public:
  Handle(Napi::Env env, std::shared_ptr<T> object, const char* name) : object_(std::move(object)), name_(name) {
    bytes_ = object_->bytes();
    adjust(env, bytes_);
  }

  /// The object, or DISPOSED.
  std::shared_ptr<T> get() const;

  /// Releases the object on the engine's thread; jobs under way keep it until they end. Idempotent.
  void dispose(napi_env env) noexcept {
    if (!object_) return;
    release_on_engine(std::move(object_));
    adjust(env, -bytes_);
  }

  bool busy = false;

 private:
  /// Finalizers call it, which must not throw: a refusal only costs V8 its knowledge.
  static void adjust(napi_env env, int64_t bytes) noexcept {
    int64_t all;
    napi_adjust_external_memory(env, bytes, &all);
  }

  std::shared_ptr<T> object_;
  const char* name_;
  int64_t bytes_;
};

/// Ties a handle to its JS object: the garbage collector, or the end of the environment, disposes of it.
template <typename T>
void own(Napi::Object object, const std::shared_ptr<Handle<T>>& handle) {
  using Shared = std::shared_ptr<Handle<T>>;
  auto owner = std::make_unique<Shared>(handle);
  const napi_status status = napi_wrap(
      object.Env(), object, owner.get(),
      [](napi_env env, void* data, void*) {
        const std::unique_ptr<Shared> last(static_cast<Shared*>(data));
        (*last)->dispose(env);
      },
      nullptr, nullptr);
  if (status != napi_ok) throw Napi::Error::New(object.Env());
  owner.release();
}

/// A method of the object that JavaScript holds.
template <typename T>
using Method = Napi::Value (*)(const Napi::CallbackInfo&, const std::shared_ptr<Handle<T>>&);

/// Gives an object its methods, each a closure over the handle.
template <typename T>
void set_methods(Napi::Object object, const std::shared_ptr<Handle<T>>& handle,
                 std::initializer_list<std::pair<const char*, Method<T>>> methods) {
  for (const auto& [name, method] : methods) {
    object.Set(name, Napi::Function::New(
                         object.Env(),
                         [handle, method](const Napi::CallbackInfo& info) {
                           return guard(info.Env(), [&] { return method(info, handle); });
                         },
                         name));
  }
}

/// What is behind an object with the tag that own() has tied to a handle, or INVALID_ARGUMENT: expected `what`.
template <typename T>
std::shared_ptr<T> object_of(const Napi::Value& value, const napi_type_tag& tag, const char* what) {
  void* data = nullptr;
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&tag) ||
      napi_unwrap(value.Env(), value, &data) != napi_ok) {
    fail(ErrorCode::invalid_argument, "expected ", what);
  }
  return (*static_cast<std::shared_ptr<Handle<T>>*>(data))->get();
}

/// {create(config, runtime)} and {create(model, optimizer, loss)}: see lib/native/contract.ts.
Napi::Object transformer_exports(Napi::Env env);
Napi::Object trainer_exports(Napi::Env env);
/// {create(options)}: likewise.
Napi::Object group_exports(Napi::Env env);

/// The transformer behind a JS object, or INVALID_ARGUMENT.
std::shared_ptr<Transformer> transformer_of(const Napi::Value& value);

/// The group behind a JS object, or INVALID_ARGUMENT.
std::shared_ptr<Group> group_of(const Napi::Value& value);

/// Copies values into the slices of a flat buffer, which lies on the device of the scope; names, sizes and types must
/// match exactly, and nothing is written before all of them do. Throws CHECKPOINT_MISMATCH.
void copy_named_values(const std::vector<std::pair<std::string, at::Tensor>>& values,
                       const std::vector<NamedSlice>& names, at::Tensor& flat);

}  // namespace rdrop
