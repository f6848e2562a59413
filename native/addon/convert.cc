// See convert.h.
#include "addon/convert.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <cstring>
#include <initializer_list>

#include "device/open_cuda.h"
#include "core/errors.h"

namespace rdrop {

Napi::Value property(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) fail(ErrorCode::invalid_argument, "expected an object with '", name, "'");
  return value.As<Napi::Object>().Get(name);
}

double number_property(const Napi::Value& value, const char* name) {
  const Napi::Value found = property(value, name);
  if (!found.IsNumber()) fail(ErrorCode::invalid_argument, name, ": expected a number");
  return found.As<Napi::Number>().DoubleValue();
}

bool boolean_property(const Napi::Value& value, const char* name) {
  const Napi::Value found = property(value, name);
  if (!found.IsBoolean()) fail(ErrorCode::invalid_argument, name, ": expected a boolean");
  return found.As<Napi::Boolean>().Value();
}

int64_t integer_property(const Napi::Value& value, const char* name, int64_t least) {
  const double number = number_property(value, name);
  // Before the conversion, which is undefined for what does not fit.
  if (std::floor(number) != number || std::abs(number) > 9007199254740991.0) {
    fail(ErrorCode::invalid_argument, name, ": expected an integer, got ", number);
  }
  if (int64_t(number) < least) {
    fail(ErrorCode::invalid_argument, name, ": expected a whole number from ", least, " on, got ", number);
  }
  return int64_t(number);
}

size_t choice_property(const Napi::Value& value, const char* name, std::initializer_list<const char*> allowed) {
  const Napi::Value found = property(value, name);
  const std::string text = found.IsString() ? found.As<Napi::String>().Utf8Value() : std::string();
  size_t index = 0;
  for (const char* candidate : allowed) {
    if (text == candidate) return index;
    ++index;
  }
  fail(ErrorCode::invalid_argument, name, ": got '", text, "', which is none of its values");
}

namespace {

std::vector<int32_t> int_vector(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    fail(ErrorCode::invalid_argument, name, ": expected an Int32Array");
  }
  const auto array = value.As<Napi::Int32Array>();
  if (array.ElementLength() == 0) return {};  // without elements it may have no address
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<double> double_vector(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    fail(ErrorCode::invalid_argument, name, ": expected a Float64Array");
  }
  const auto array = value.As<Napi::Float64Array>();
  if (array.ElementLength() == 0) return {};
  return {array.Data(), array.Data() + array.ElementLength()};
}

/// The type of a typed array's elements, and its data.
std::pair<at::ScalarType, const void*> float_data(const Napi::Value& value) {
  if (value.IsTypedArray()) {
    switch (value.As<Napi::TypedArray>().TypedArrayType()) {
      case napi_float32_array:
        return {at::kFloat, value.As<Napi::Float32Array>().Data()};
      case napi_float64_array:
        return {at::kDouble, value.As<Napi::Float64Array>().Data()};
      case napi_uint16_array:
        return {at::kBFloat16, value.As<Napi::Uint16Array>().Data()};
      default:
        break;
    }
  }
  fail(ErrorCode::invalid_argument, "expected a Float32Array, a Float64Array or a Uint16Array (bfloat16)");
}

Napi::ArrayBuffer buffer_of(Napi::Env env, const at::Tensor& tensor) {
  if (tensor.nbytes() == 0) return Napi::ArrayBuffer::New(env, 0);
  auto owner = std::make_unique<at::Tensor>(tensor);
  void* data = owner->mutable_data_ptr();
  return Napi::ArrayBuffer::New(
      env, data, tensor.nbytes(),
      [](Napi::Env, void*, at::Tensor* held) { const std::unique_ptr<at::Tensor> last(held); }, owner.release());
}

Napi::Value view_of(Napi::Env env, const Napi::ArrayBuffer& buffer, at::ScalarType type, int64_t offset, int64_t size) {
  const size_t begin = size_t(offset) * c10::elementSize(type), length = size_t(size);
  if (type == at::kDouble) return Napi::Float64Array::New(env, length, buffer, begin);
  if (type == at::kBFloat16) return Napi::Uint16Array::New(env, length, buffer, begin);
  return Napi::Float32Array::New(env, length, buffer, begin);
}

Napi::Value int_array(Napi::Env env, const std::vector<int32_t>& values) {
  auto array = Napi::Int32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

}  // namespace

LossOptions loss_options(const Napi::Value& value) {
  LossOptions options;
  options.direction =
      static_cast<LossOptions::Direction>(choice_property(value, "direction", {"uni", "uni-reverse", "bi"}));
  options.alpha = number_property(value, "alpha");
  options.label_smoothing = number_property(value, "labelSmoothing");
  options.ignore_index = integer_property(value, "ignoreIndex");
  options.pass_reduction =
      static_cast<LossOptions::PassReduction>(choice_property(value, "passReduction", {"sum", "mean"}));
  if (!property(value, "passes").IsUndefined()) {
    const int64_t passes = integer_property(value, "passes", 1);
    if (passes > 2) fail(ErrorCode::invalid_argument, "passes: expected 1 or 2, got ", passes);
    options.passes = int(passes);
  }
  if (!property(value, "klReduction").IsUndefined()) {
    options.kl_sum = choice_property(value, "klReduction", {"mean", "sum"}) == 1;
  }
  const Napi::Value weights = property(value, "classWeights");
  if (!weights.IsUndefined() && !weights.IsNull()) {
    options.class_weights = float_tensor(weights);
    if (options.class_weights.scalar_type() != at::kDouble) {
      fail(ErrorCode::invalid_argument, "classWeights: expected a Float64Array");
    }
  }
  return options;
}

Runtime runtime(const Napi::Value& value) {
  constexpr at::ScalarType types[] = {at::kFloat, at::kDouble, at::kFloat, at::kBFloat16, at::kHalf};
  const size_t precision = choice_property(value, "precision", {"float32", "float64", "tf32", "bfloat16", "float16"});
  using Where = Runtime::Where;
  Runtime options{uint64_t(integer_property(value, "seed")), types[precision], precision == 2, Where::cpu, {}, 0};
  const Napi::Value device = property(value, "device");
  if (device.IsObject()) {
    const bool cuda = !device.As<Napi::Object>().Has("library");
    options.where = cuda ? Where::cuda : Where::library;
    if (!cuda) options.library = property(device, "library").ToString().Utf8Value();
    options.index = int(integer_property(device, "index"));
  } else if (choice_property(value, "device", {"cpu", "cuda"}) == 1) {
    options.where = Where::cuda;
  }
  if (options.where == Where::cpu ? precision == 2 || precision == 4 : precision == 1) {
    fail(ErrorCode::invalid_argument,
         "precision: float32, float64 and bfloat16 run on the CPU, all but float64 on a device");
  }
  return options;
}

Device* Runtime::open() const {
  if (where == Where::cpu) {
    prepare_cuda();
    return nullptr;
  }
  return where == Where::cuda ? &open_cuda_device(index) : &open_device(library, index);
}

OptimizerOptions optimizer_options(const Napi::Value& value) {
  OptimizerOptions options;
  options.schedule = {number_property(value, "learningRate"), number_property(value, "warmupInitLearningRate"),
                      integer_property(value, "warmupUpdates"),
                      static_cast<ScheduleKind>(choice_property(
                          value, "schedule", {"constant", "inverse_sqrt", "linear", "cosine", "polynomial"}))};
  Schedule& schedule = options.schedule;
  if (schedule.kind != ScheduleKind::constant && schedule.kind != ScheduleKind::inverse_sqrt) {
    schedule.minimum_learning_rate = number_property(value, "minimumLearningRate");
    schedule.total_updates = integer_property(value, "totalUpdates", 1);
    if (schedule.kind == ScheduleKind::polynomial) schedule.power = number_property(value, "power");
  }
  options.adam = {number_property(value, "beta1"), number_property(value, "beta2"), number_property(value, "epsilon"),
                  number_property(value, "weightDecay")};
  options.clip_norm = number_property(value, "clipNorm");
  const Napi::Value groups = property(value, "groups");
  if (groups.IsUndefined() || groups.IsNull()) return options;
  if (!groups.IsArray()) fail(ErrorCode::invalid_argument, "groups: expected an array, or null");
  const auto array = groups.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value group = array[i];
    options.groups.push_back({property(group, "name").ToString().Utf8Value(), number_property(group, "rate"),
                              boolean_property(group, "decay")});
  }
  if (options.groups.empty()) fail(ErrorCode::invalid_argument, "groups: expected one a parameter, got none");
  return options;
}

GenerationOptions generation_options(const Napi::Value& value) {
  GenerationOptions options;
  options.max_tokens = integer_property(value, "maxTokens", 0);
  options.until_eos = boolean_property(value, "untilEos");
  options.beam = integer_property(value, "beam", 0);
  options.sampling = {boolean_property(value, "greedy"), number_property(value, "temperature"),
                      integer_property(value, "topK", 0), number_property(value, "topP"),
                      integer_property(value, "types", 0)};
  if (!(options.sampling.temperature > 0) || !(options.sampling.top_p > 0))
    fail(ErrorCode::invalid_argument, "temperature, topP: expected numbers above 0");
  options.seed = uint64_t(integer_property(value, "seed", 0));
  options.first = uint64_t(integer_property(value, "first", 0));
  return options;
}

BeamOptions beam_options(const Napi::Value& value) {
  return {integer_property(value, "beam"),   number_property(value, "lengthPenalty"),
          number_property(value, "maxLenA"), integer_property(value, "maxLenB"),
          integer_property(value, "minLen"), integer_property(value, "nBest")};
}

Packed packed(const Napi::Value& value) {
  return {int_vector(property(value, "tokens"), "tokens"), int_vector(property(value, "offsets"), "offsets")};
}

PackedBatch packed_batch(const Napi::Value& value) {
  PackedBatch batch{packed(property(value, "source")), packed(property(value, "target")), {}};
  const Napi::Value second = property(value, "secondSource");
  if (second.IsObject()) batch.second_source = packed(second);
  const Napi::Value types = property(value, "tokenTypes"), values = property(value, "values");
  if (!types.IsUndefined()) batch.token_types = int_vector(types, "tokenTypes");
  if (!values.IsUndefined()) batch.values = double_vector(values, "values");
  return batch;
}

std::vector<PackedBatch> packed_batches(const Napi::Value& value) {
  if (!value.IsArray()) fail(ErrorCode::invalid_argument, "expected an array of batches");
  const auto array = value.As<Napi::Array>();
  std::vector<PackedBatch> batches;
  for (uint32_t i = 0; i < array.Length(); ++i) batches.push_back(packed_batch(array[i]));
  return batches;
}

NamedValues named_values(const Napi::Value& value) {
  const Napi::Value entries = property(value, "entries");
  if (!entries.IsFunction()) fail(ErrorCode::invalid_argument, "expected a Map of names to arrays");
  const auto iterator = entries.As<Napi::Function>().Call(value, {}).As<Napi::Object>();
  const auto next = iterator.Get("next").As<Napi::Function>();
  NamedValues values;
  for (;;) {
    const auto step = next.Call(iterator, {}).As<Napi::Object>();
    if (step.Get("done").ToBoolean()) return values;
    const auto entry = step.Get("value").As<Napi::Array>();
    values.emplace_back(Napi::Value(entry[0u]).ToString().Utf8Value(), float_tensor(entry[1u]));
  }
}

ParameterRange parameter_range(const Napi::CallbackInfo& info, size_t first) {
  if (!info[first].IsString()) fail(ErrorCode::invalid_argument, "expected the name of a parameter");
  const auto place = [&](size_t i) {
    const double number = info[i].IsNumber() ? info[i].As<Napi::Number>().DoubleValue() : -1;
    if (!(number >= 0 && number <= 9007199254740991.0 && std::floor(number) == number)) {
      fail(ErrorCode::invalid_argument, "expected the place of a number of a parameter, a whole number");
    }
    return int64_t(number);
  };
  return {info[first].As<Napi::String>().Utf8Value(), place(first + 1), place(first + 2)};
}

at::Tensor float_tensor(const Napi::Value& value) {
  const auto [type, data] = float_data(value);
  at::Tensor tensor = at::empty({int64_t(value.As<Napi::TypedArray>().ElementLength())}, at::TensorOptions(type));
  if (tensor.nbytes() > 0)
    std::memcpy(tensor.mutable_data_ptr(), data, tensor.nbytes());  // else neither has an address
  return tensor;
}

at::Tensor int_tensor(const Napi::Value& value) {
  const std::vector<int32_t> values = int_vector(value, "targets");
  at::Tensor tensor = at::empty({int64_t(values.size())}, at::TensorOptions(at::kInt));
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<int32_t>());
  return tensor;
}

Napi::Value float_array(Napi::Env env, const at::Tensor& tensor) {
  return view_of(env, buffer_of(env, tensor), tensor.scalar_type(), 0, tensor.numel());
}

Napi::Value named_arrays(Napi::Env env, const at::Tensor& flat, const std::vector<NamedSlice>& names) {
  const Napi::ArrayBuffer buffer = buffer_of(env, flat);
  const auto map = env.Global().Get("Map").As<Napi::Function>().New({});
  const auto set = map.Get("set").As<Napi::Function>();
  for (const NamedSlice& slice : names) {
    set.Call(map, {Napi::String::New(env, slice.name),
                   view_of(env, buffer, flat.scalar_type(), slice.offset, slice.size())});
  }
  return map;
}

Napi::Object loss_object(Napi::Env env, const LossSums& sums) {
  auto object = Napi::Object::New(env);
  object.Set("loss", sums.loss);
  object.Set("crossEntropy", sums.cross_entropy);
  object.Set("nll", sums.nll);
  object.Set("kl", sums.kl);
  object.Set("tokens", double(sums.tokens));
  return object;
}

namespace {

Napi::Value float32_array(Napi::Env env, const std::vector<float>& values) {
  auto array = Napi::Float32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

}  // namespace

Napi::Value generated_texts(Napi::Env env, const std::vector<Generated>& texts) {
  auto list = Napi::Array::New(env, texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    auto object = Napi::Object::New(env);
    object.Set("tokens", int_array(env, texts[i].tokens));
    object.Set("logProbabilities", float32_array(env, texts[i].log_probabilities));
    list.Set(uint32_t(i), object);
  }
  return list;
}

Napi::Value translations(Napi::Env env, const Translations& found) {
  const auto& all = found.hypotheses;
  auto lists = Napi::Array::New(env, all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    auto list = Napi::Array::New(env, all[i].size());
    for (size_t k = 0; k < all[i].size(); ++k) {
      const Hypothesis& hypothesis = all[i][k];
      auto object = Napi::Object::New(env);
      object.Set("tokens", int_array(env, hypothesis.tokens));
      object.Set("score", hypothesis.score);
      object.Set("logProbabilities", float32_array(env, hypothesis.log_probabilities));
      list.Set(uint32_t(k), object);
    }
    lists.Set(uint32_t(i), list);
  }
  auto object = Napi::Object::New(env);
  object.Set("hypotheses", lists);
  object.Set("graphFallbackReason", found.graph_fallback_reason);
  return object;
}

}  // namespace rdrop
