// Attention: on the CPU one item (a head of a sequence) at a time, items over threads; on a device the kernels for
// short sequences, flash attention, or the plain path.
#include "ops/attention/attention.h"

#include "core/dispatch.h"
#include "core/scratch.h"
#include "device/dispatch.h"
#include "ops/attention/attention_kernel.h"
#include "ops/attention/device_attention.h"

namespace rdrop {
namespace {

/// [R,D] as [R,H,Dh], whatever the stride of its rows.
at::Tensor heads_of(const at::Tensor& rows, int64_t heads) {
  return rows.unflatten(1, {heads, rows.size(1) / heads});
}

FlashInputs flash_inputs(const AttentionInputs& inputs) {
  const AttentionShape& shape = inputs.shape;
  return {heads_of(inputs.query, shape.heads),
          heads_of(inputs.key, shape.heads),
          heads_of(inputs.value, shape.heads),
          shape.query_starts,
          shape.key_starts,
          shape.longest_query,
          shape.longest_key,
          shape.causal};
}

/// What forward and backward pass to the device's own kernels alike.
template <typename T>
DeviceAttention<T> device_arguments(const AttentionInputs& inputs, const at::Tensor& out) {
  const AttentionShape& shape = inputs.shape;
  DeviceAttention<T> arguments{};
  arguments.query = elements<T>(inputs.query);
  arguments.key = elements<T>(inputs.key);
  arguments.value = elements<T>(inputs.value);
  arguments.query_starts = elements<int32_t>(shape.query_starts);
  arguments.key_starts = elements<int32_t>(shape.key_starts);
  arguments.query_stride = inputs.query.stride(0);
  arguments.key_stride = inputs.key.stride(0);
  arguments.sequences = shape.query_starts.size(0) - 1;
  arguments.longest_query = shape.longest_query;
  arguments.longest_key = shape.longest_key;
  arguments.heads = shape.heads;
  arguments.head_dim = inputs.query.size(1) / shape.heads;
  arguments.causal = shape.causal;
  arguments.dropout = inputs.dropout;
  arguments.out = mutable_elements<T>(out);
  return arguments;
}

template <typename T>
AttentionSaved attention_with(Device& device, const AttentionInputs& inputs, at::Tensor& out) {
  const AttentionShape& shape = inputs.shape;
  const AttentionLaunchers<T>& kernels = device.kernels().layers<T>().attention;
  DeviceAttention<T> arguments = device_arguments<T>(inputs, out);
  const bool is_short = short_attention_takes(arguments);
  AttentionSaved saved;
  FlashAttention* flash = !is_short && inputs.dropout.p == 0 ? device.flash_attention() : nullptr;
  if (flash && flash->takes(inputs.query.scalar_type(), arguments.head_dim)) {
    saved.flash = flash->forward(flash_inputs(inputs));
    out = saved.flash.out.flatten(1);
    return saved;
  }
  saved.out = out;
  saved.log_sum = device.memory().empty({inputs.query.size(0), shape.heads}, at::kFloat);
  arguments.log_sum = mutable_elements<float>(saved.log_sum);
  (is_short ? kernels.short_forward : kernels.forward)(arguments, device.stream());
  return saved;
}

template <typename T>
void attention_backward_with(Device& device, const AttentionInputs& inputs, const AttentionSaved& saved,
                             const at::Tensor& out_gradient, AttentionGradients& gradients) {
  const int64_t rows = inputs.query.size(0), heads = inputs.shape.heads;
  if (saved.flash.out.defined()) {
    FlashGradients by_head{heads_of(gradients.query, heads), heads_of(gradients.key, heads),
                           heads_of(gradients.value, heads)};
    return device.flash_attention()->backward(flash_inputs(inputs), saved.flash, heads_of(out_gradient, heads),
                                              by_head);
  }
  const AttentionLaunchers<T>& kernels = device.kernels().layers<T>().attention;
  DeviceAttention<T> arguments = device_arguments<T>(inputs, saved.out);
  arguments.log_sum = mutable_elements<float>(saved.log_sum);
  arguments.out_gradient = elements<T>(out_gradient);
  arguments.query_gradient = mutable_elements<T>(gradients.query);
  arguments.key_gradient = mutable_elements<T>(gradients.key);
  arguments.value_gradient = mutable_elements<T>(gradients.value);
  if (short_attention_takes(arguments)) return kernels.short_backward(arguments, device.stream());
  const at::Tensor slope = device.memory().empty({rows, heads}, at::kFloat);
  arguments.slope = mutable_elements<float>(slope);
  kernels.backward(arguments, device.stream());
}

// The CPU.

struct Plan {
  std::vector<int64_t> probability_offsets;
  int64_t probabilities = 0;
  int64_t scratch = 0;
};

Plan plan_of(const AttentionShape& shape, int64_t head_dim, at::ScalarType type) {
  Plan plan;
  for (size_t i = 0; i + 1 < shape.query_offsets.size(); ++i) {
    const int64_t queries = shape.query_offsets[i + 1] - shape.query_offsets[i];
    const int64_t keys = shape.key_end[i] - shape.key_begin[i];
    plan.probability_offsets.push_back(plan.probabilities);
    plan.probabilities += shape.heads * queries * attention_padded(keys);
    plan.scratch = std::max(plan.scratch, attention_scratch(queries, keys, head_dim, type != wide_type(type)));
  }
  return plan;
}

template <typename T, typename Run>
void run_items(Attention<T> arguments, const Plan& plan, const AttentionShape& shape, const Run& run) {
  constexpr at::ScalarType type = c10::CppTypeToScalarType<Wide<T>>::value;
  const int64_t items = int64_t(plan.probability_offsets.size()) * shape.heads;
  parallel_ranges(0, items, 4, [&](int64_t begin, int64_t end) {
    const at::Tensor scratch = rdrop::scratch({plan.scratch}, type);
    Attention<T> mine = arguments;
    mine.scratch = mutable_elements<Wide<T>>(scratch);
    run(mine, begin, end);
  });
}

/// What forward and backward pass to the kernels alike.
template <typename T>
Attention<T> cpu_arguments(const AttentionInputs& inputs, const Plan& plan, const at::Tensor& probability) {
  const AttentionShape& shape = inputs.shape;
  Attention<T> arguments{};
  arguments.query = elements<T>(inputs.query);
  arguments.key = elements<T>(inputs.key);
  arguments.value = elements<T>(inputs.value);
  arguments.probability = mutable_elements<Wide<T>>(probability);
  arguments.query_offsets = shape.query_offsets.data();
  arguments.key_begin = shape.key_begin.data();
  arguments.key_end = shape.key_end.data();
  arguments.probability_offsets = plan.probability_offsets.data();
  arguments.query_stride = inputs.query.stride(0);
  arguments.key_stride = inputs.key.stride(0);
  arguments.heads = shape.heads;
  arguments.head_dim = inputs.query.size(1) / shape.heads;
  arguments.causal = shape.causal;
  arguments.dropout = inputs.dropout;
  return arguments;
}

}  // namespace

AttentionSaved attention(const AttentionInputs& inputs, at::Tensor& out) {
  if (Device* device = current_device()) {
    return dispatch_device(inputs.query,
                           [&](auto zero) { return attention_with<decltype(zero)>(*device, inputs, out); });
  }
  const at::ScalarType type = inputs.query.scalar_type();
  const Plan plan = plan_of(inputs.shape, inputs.query.size(1) / inputs.shape.heads, type);
  AttentionSaved saved;
  saved.probability = scratch({plan.probabilities}, wide_type(type));
  dispatch_layers(inputs.query, [&](auto zero) {
    using T = decltype(zero);
    Attention<T> arguments = cpu_arguments<T>(inputs, plan, saved.probability);
    arguments.out = mutable_elements<T>(out);
    run_items(arguments, plan, inputs.shape, kernels<AttentionKernels<T>>().forward);
  });
  return saved;
}

void attention_backward(const AttentionInputs& inputs, const AttentionSaved& saved, const at::Tensor& out_gradient,
                        AttentionGradients& gradients) {
  if (Device* device = current_device()) {
    return dispatch_device(inputs.query, [&](auto zero) {
      attention_backward_with<decltype(zero)>(*device, inputs, saved, out_gradient, gradients);
    });
  }
  const Plan plan = plan_of(inputs.shape, inputs.query.size(1) / inputs.shape.heads, inputs.query.scalar_type());
  dispatch_layers(inputs.query, [&](auto zero) {
    using T = decltype(zero);
    Attention<T> arguments = cpu_arguments<T>(inputs, plan, saved.probability);
    arguments.out_gradient = elements<T>(out_gradient);
    arguments.query_gradient = mutable_elements<T>(gradients.query);
    arguments.key_gradient = mutable_elements<T>(gradients.key);
    arguments.value_gradient = mutable_elements<T>(gradients.value);
    run_items(arguments, plan, inputs.shape, kernels<AttentionKernels<T>>().backward);
  });
}

}  // namespace rdrop
