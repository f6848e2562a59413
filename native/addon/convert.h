// JS values → plain structs and back: the only reader of JS objects. lib/ has checked every option already; what is
// checked here keeps a foreign caller from crashing the process.
#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "generation/generation.h"
#include "translation/beam_search.h"
#include "device/device.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/parameters.h"
#include "ops/rdrop_loss/rdrop_loss.h"
#include "training/trainer.h"

namespace rdrop {

struct Runtime {
  uint64_t seed;
  at::ScalarType type;  ///< of the activations
  bool tf32;
  enum class Where { cpu, cuda, library } where;
  std::string library;  ///< the device library, where one is named, and which of its devices
  int index;

  /// Opens the device; null: the CPU. Throws CUDA_UNAVAILABLE.
  Device* open() const;
};

/// Values by parameter name.
using NamedValues = std::vector<std::pair<std::string, at::Tensor>>;

LossOptions loss_options(const Napi::Value& value);
ModelConfig model_config(const Napi::Value& value);
Runtime runtime(const Napi::Value& value);
OptimizerOptions optimizer_options(const Napi::Value& value);
BeamOptions beam_options(const Napi::Value& value);
GenerationOptions generation_options(const Napi::Value& value);
Packed packed(const Napi::Value& value);
PackedBatch packed_batch(const Napi::Value& value);
std::vector<PackedBatch> packed_batches(const Napi::Value& value);
NamedValues named_values(const Napi::Value& value);
/// (name, begin, end), from the argument `first` on.
ParameterRange parameter_range(const Napi::CallbackInfo& info, size_t first);

/// A property of an object, or INVALID_ARGUMENT.
Napi::Value property(const Napi::Value& value, const char* name);
double number_property(const Napi::Value& value, const char* name);
/// A safe integer of JavaScript from `least` on.
int64_t integer_property(const Napi::Value& value, const char* name, int64_t least = INT64_MIN);
bool boolean_property(const Napi::Value& value, const char* name);
/// The place of a string property among the allowed ones.
size_t choice_property(const Napi::Value& value, const char* name, std::initializer_list<const char*> allowed);

/// Copies a Float32Array, Float64Array or Uint16Array (bfloat16) into a flat tensor.
at::Tensor float_tensor(const Napi::Value& value);
/// Copies an Int32Array into an int32 tensor.
at::Tensor int_tensor(const Napi::Value& value);

/// A typed array over a tensor's own memory: Float32Array, Float64Array or Uint16Array (bfloat16).
Napi::Value float_array(Napi::Env env, const at::Tensor& tensor);
/// Map of fairseq's names to views of one flat copy.
Napi::Value named_arrays(Napi::Env env, const at::Tensor& flat, const std::vector<NamedSlice>& names);
Napi::Object loss_object(Napi::Env env, const LossSums& sums);
Napi::Value translations(Napi::Env env, const Translations& found);
Napi::Value generated_texts(Napi::Env env, const std::vector<Generated>& texts);

}  // namespace rdrop
