// The group as JavaScript sees it: NativeGroup of lib/native/contract.ts.
#include "distributed/group.h"

#include "addon/convert.h"
#include "addon/handles.h"
#include "addon/worker.h"
#include "core/errors.h"

namespace rdrop {
namespace {

constexpr napi_type_tag kGroupTag = {0x7264726f705f6772, 0x6f75705f68616e64};

using GroupHandle = Handle<Group>;
using Shared = std::shared_ptr<GroupHandle>;

std::string text_property(const Napi::Value& value, const char* name) {
  const Napi::Value text = property(value, name);
  if (!text.IsString()) fail(ErrorCode::invalid_argument, name, ": expected a string");
  return text.As<Napi::String>().Utf8Value();
}

GroupOptions group_options(const Napi::Value& value) {
  GroupOptions options{integer_property(value, "rank", 0),       integer_property(value, "worldSize", 1),
                       text_property(value, "address"),          integer_property(value, "port", 1),
                       boolean_property(value, "serve"),         text_property(value, "prefix"),
                       number_property(value, "timeoutSeconds"), number_property(value, "joinSeconds"),
                       text_property(value, "backend"),          text_property(value, "library")};
  if (options.rank >= options.size || options.size > 4096)
    fail(ErrorCode::invalid_argument, "rank: expected one below the worldSize of ", options.size, ", got ",
         options.rank);
  if (options.port > 65535) fail(ErrorCode::invalid_argument, "port: expected 1 to 65535, got ", options.port);
  if (!(options.timeout > 0 && options.timeout < 1e6))
    fail(ErrorCode::invalid_argument, "timeoutSeconds: expected more than 0, got ", options.timeout);
  if (!(options.join > 0 && options.join < 1e6))
    fail(ErrorCode::invalid_argument, "joinSeconds: expected more than 0, got ", options.join);
  if (options.backend != "gloo") fail(ErrorCode::invalid_argument, "backend: expected gloo, got ", options.backend);
  return options;
}

Bytes bytes_of(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    fail(ErrorCode::invalid_argument, "expected a Uint8Array");
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

Napi::Value byte_array(Napi::Env env, const Bytes& bytes) {
  auto array = Napi::Uint8Array::New(env, bytes.size());
  std::copy(bytes.begin(), bytes.end(), array.Data());
  return array;
}

Napi::Value sum_of(const Napi::CallbackInfo& info, const Shared& handle) {
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array)
    fail(ErrorCode::invalid_argument, "sum: expected a Float64Array");
  const auto array = info[0].As<Napi::Float64Array>();
  std::vector<double> values(array.Data(), array.Data() + array.ElementLength());
  return run_unprepared(
      info.Env(), [group = handle->get(), values = std::move(values)] { return sum(*group, values); },
      [](Napi::Env env, const std::vector<double>& sums) {
        auto result = Napi::Float64Array::New(env, sums.size());
        std::copy(sums.begin(), sums.end(), result.Data());
        return Napi::Value(result);
      });
}

Napi::Value gather_of(const Napi::CallbackInfo& info, const Shared& handle) {
  return run_unprepared(
      info.Env(), [group = handle->get(), bytes = bytes_of(info[0])] { return gather(*group, bytes); },
      [](Napi::Env env, const std::vector<Bytes>& gathered) {
        auto list = Napi::Array::New(env, gathered.size());
        for (size_t rank = 0; rank < gathered.size(); ++rank) list.Set(uint32_t(rank), byte_array(env, gathered[rank]));
        return Napi::Value(list);
      });
}

Napi::Value broadcast_of(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto group = handle->get();
  Bytes bytes;
  if (group->rank() == 0) bytes = bytes_of(info[0]);
  return run_unprepared(
      info.Env(), [group, bytes = std::move(bytes)] { return broadcast(*group, bytes); },
      [](Napi::Env env, const Bytes& result) { return byte_array(env, result); });
}

/// On the caller's thread: the engine may be waiting for the others.
Napi::Value fail_of(const Napi::CallbackInfo& info, const Shared& handle) {
  handle->get()->fail(info[0].ToString().Utf8Value());
  const auto deferred = Napi::Promise::Deferred::New(info.Env());
  deferred.Resolve(info.Env().Undefined());
  return deferred.Promise();
}

Napi::Value waited_seconds(const Napi::CallbackInfo& info, const Shared& handle) {
  return Napi::Number::New(info.Env(), handle->get()->waited());
}

Napi::Value dispose(const Napi::CallbackInfo& info, const Shared& handle) {
  try {
    handle->get()->leave();
  } catch (const Error&) {
    return info.Env().Undefined();  // disposed of already
  }
  handle->dispose(info.Env());
  return info.Env().Undefined();
}

/// An environment that ends waits for its job that runs, which may wait for the others: it leaves the group first.
void leave_at_end(Napi::Env env, const std::shared_ptr<Group>& group) {
  using Weak = std::weak_ptr<Group>;
  auto weak = std::make_unique<Weak>(group);
  const auto leave = [](void* data) {
    const std::unique_ptr<Weak> last(static_cast<Weak*>(data));
    if (const auto alive = last->lock()) alive->leave();
  };
  if (napi_add_env_cleanup_hook(env, leave, weak.get()) != napi_ok) throw Napi::Error::New(env);
  weak.release();
}

Napi::Value wrap(Napi::Env env, std::shared_ptr<Group> group) {
  auto object = Napi::Object::New(env);
  object.Set("rank", double(group->rank()));
  object.Set("worldSize", double(group->size()));
  leave_at_end(env, group);
  auto handle = std::make_shared<GroupHandle>(env, std::move(group), "Group");
  set_methods<Group>(object, handle,
                     {{"sum", sum_of},
                      {"gather", gather_of},
                      {"broadcast", broadcast_of},
                      {"fail", fail_of},
                      {"waitedSeconds", waited_seconds},
                      {"dispose", dispose}});
  object.TypeTag(&kGroupTag);
  own(object, handle);
  return object;
}

}  // namespace

std::shared_ptr<Group> group_of(const Napi::Value& value) {
  return object_of<Group>(value, kGroupTag, "a native group");
}

Napi::Object group_exports(Napi::Env env) {
  auto exports = Napi::Object::New(env);
  exports.Set("create", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return guard(info.Env(), [&] {
                  return run_unprepared(
                      info.Env(), [options = group_options(info[0])] { return open_group(options); },
                      [](Napi::Env env, std::shared_ptr<Group> group) { return wrap(env, std::move(group)); });
                });
              }));
  return exports;
}

}  // namespace rdrop
