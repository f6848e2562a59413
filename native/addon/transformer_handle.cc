// The transformer as JavaScript sees it: NativeTransformer of lib/native/contract.ts.
#include "addon/convert.h"
#include "translation/beam_search.h"
#include "core/errors.h"
#include "addon/handles.h"
#include "model/tensors.h"
#include "addon/worker.h"

namespace rdrop {
namespace {

using TransformerHandle = Handle<Transformer>;
using Shared = std::shared_ptr<TransformerHandle>;

constexpr napi_type_tag kTransformerTag = {0x7264726f705f7472, 0x616e73666f726d65};

Napi::Value parameter_shapes(Napi::Env env, const Transformer& model) {
  const auto& names = model.parameters().names;
  auto list = Napi::Array::New(env, names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    auto shape = Napi::Array::New(env, names[i].shape.size());
    for (size_t k = 0; k < names[i].shape.size(); ++k) shape.Set(uint32_t(k), double(names[i].shape[k]));
    auto entry = Napi::Array::New(env, 2);
    entry.Set(0u, names[i].name);
    entry.Set(1u, shape);
    list.Set(uint32_t(i), entry);
  }
  return list;
}

Napi::Value parameters(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto model = handle->get();
  return run(
      info.Env(),
      [model] {
        const DeviceScope scope(model->device());
        return host_copy(model->parameters().flat);
      },
      [model](Napi::Env env, at::Tensor flat) { return named_arrays(env, flat, model->parameters().names); });
}

Napi::Value set_parameters(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto model = handle->get();
  return run(
      info.Env(),
      [model, values = named_values(info[0])] {
        const DeviceScope scope(model->device());
        model->changing();
        copy_named_values(values, model->parameters().names, model->parameters().flat);
        model->parameters().refresh_copy();
        return true;
      },
      [](Napi::Env env, bool) { return env.Undefined(); });
}

Napi::Value write(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto model = handle->get();
  return run(
      info.Env(),
      [model, range = parameter_range(info, 0), values = float_tensor(info[3])] {
        const DeviceScope scope(model->device());
        model->changing();
        model->parameters().write(range, values);
        return true;
      },
      [](Napi::Env env, bool) { return env.Undefined(); });
}

using SnapshotHandle = Handle<Snapshot>;

Napi::Value wrap(Napi::Env env, std::shared_ptr<Snapshot> snapshot) {
  auto object = Napi::Object::New(env);
  auto handle = std::make_shared<SnapshotHandle>(env, std::move(snapshot), "Snapshot");
  const auto method = [&](const char* name, auto body) {
    object.Set(name, Napi::Function::New(
                         env,
                         [handle, body](const Napi::CallbackInfo& info) {
                           return guard(info.Env(), [&] { return body(info, handle); });
                         },
                         name));
  };
  method("read", [](const Napi::CallbackInfo& info, const std::shared_ptr<SnapshotHandle>& handle) {
    return run(
        info.Env(), [snapshot = handle->get(), range = parameter_range(info, 0)] { return snapshot->read(range); },
        [](Napi::Env env, const at::Tensor& values) { return float_array(env, values); });
  });
  method("dispose", [](const Napi::CallbackInfo& info, const std::shared_ptr<SnapshotHandle>& handle) {
    handle->dispose(info.Env());
    return info.Env().Undefined();
  });
  return object;
}

Napi::Value snapshot(const Napi::CallbackInfo& info, const Shared& handle) {
  return run(
      info.Env(), [model = handle->get()] { return Snapshot::of(model); },
      [](Napi::Env env, std::shared_ptr<Snapshot> taken) { return wrap(env, std::move(taken)); });
}

Napi::Value logits(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto model = handle->get();
  return run(
      info.Env(),
      [model, batch = packed_batch(info[0])] {
        check_batch(batch, model->config());
        return model->logits(batch);
      },
      [](Napi::Env env, at::Tensor logits) { return float_array(env, logits); });
}

Napi::Value hidden(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto model = handle->get();
  return run(
      info.Env(),
      [model, batch = packed_batch(info[0])] {
        check_batch(batch, model->config());
        return model->hidden(batch);
      },
      [](Napi::Env env, at::Tensor states) { return float_array(env, states); });
}

Napi::Value loss_and_gradients(const Napi::CallbackInfo& info, const Shared& handle) {
  struct Answer {
    LossSums sums;
    at::Tensor gradient;
  };
  const auto model = handle->get();
  PackedBatch batch = packed_batch(info[0]);
  const Napi::Value second = property(info[2], "secondSource");
  if (second.IsObject()) batch.second_source = packed(second);
  const DropoutKey key{boolean_property(info[2], "training"), uint64_t(integer_property(info[2], "update", 0)), 0};
  return run(
      info.Env(),
      [model, batch = std::move(batch), options = loss_options(info[1]), key] {
        check_batch(batch, model->config(), options.ignore_index);
        const DeviceScope scope(model->device());
        at::Tensor& gradient = model->parameters().gradient;
        try {
          const LossSums sums = model->loss_and_gradients(batch, options, key);
          Answer answer{sums, host_copy(gradient)};
          fill_zero(gradient);
          return answer;
        } catch (...) {
          fill_zero(gradient);  // the next caller finds it clean
          throw;
        }
      },
      [model](Napi::Env env, Answer answer) {
        Napi::Object result = loss_object(env, answer.sums);
        result.Set("gradients", named_arrays(env, answer.gradient, model->parameters().names));
        return Napi::Value(result);
      });
}

Napi::Value evaluate(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto model = handle->get();
  return run(
      info.Env(),
      [model, batch = packed_batch(info[0]), options = loss_options(info[1])] {
        check_batch(batch, model->config(), options.ignore_index);
        return model->evaluate(batch, options);
      },
      [](Napi::Env env, const LossSums& sums) { return Napi::Value(loss_object(env, sums)); });
}

Napi::Value generate_texts(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto model = handle->get();
  return run(
      info.Env(),
      [model, prompts = packed(info[0]), options = generation_options(info[1])] {
        return generate(*model, prompts, options);
      },
      [](Napi::Env env, const std::vector<Generated>& texts) { return generated_texts(env, texts); });
}

Napi::Value translate(const Napi::CallbackInfo& info, const Shared& handle) {
  const auto model = handle->get();
  return run(
      info.Env(),
      [model, sources = packed(info[0]), options = beam_options(info[1])] {
        return beam_search(*model, sources, options);
      },
      [](Napi::Env env, const Translations& found) { return translations(env, found); });
}

Napi::Value dispose(const Napi::CallbackInfo& info, const Shared& handle) {
  handle->dispose(info.Env());
  return info.Env().Undefined();
}

Napi::Value wrap(Napi::Env env, std::shared_ptr<Transformer> model) {
  auto object = Napi::Object::New(env);
  object.Set("parameterCount", double(model->parameters().count));
  object.Set("parameterShapes", parameter_shapes(env, *model));
  auto handle = std::make_shared<TransformerHandle>(env, std::move(model), "Transformer");
  set_methods<Transformer>(object, handle,
                           {{"parameters", parameters},
                            {"setParameters", set_parameters},
                            {"snapshot", snapshot},
                            {"write", write},
                            {"logits", logits},
                            {"hidden", hidden},
                            {"lossAndGradients", loss_and_gradients},
                            {"evaluate", evaluate},
                            {"translate", translate},
                            {"generate", generate_texts},
                            {"dispose", dispose}});
  object.TypeTag(&kTransformerTag);
  own(object, handle);
  return object;
}

}  // namespace

std::shared_ptr<Transformer> transformer_of(const Napi::Value& value) {
  return object_of<Transformer>(value, kTransformerTag, "a native transformer");
}

Napi::Object transformer_exports(Napi::Env env) {
  auto exports = Napi::Object::New(env);
  exports.Set("create", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return guard(info.Env(), [&] {
                  const ModelConfig config = model_config(info[0]);
                  const Runtime options = runtime(info[1]);
                  return run(
                      info.Env(),
                      [config, options] {
                        return std::make_shared<Transformer>(config, options.type, options.seed, options.open(),
                                                             options.tf32);
                      },
                      [](Napi::Env env, std::shared_ptr<Transformer> model) { return wrap(env, std::move(model)); });
                });
              }));
  return exports;
}

}  // namespace rdrop
