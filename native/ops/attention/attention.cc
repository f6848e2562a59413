// Attention: on the CPU one item (a head of a sequence) at a time, items over threads; on a device flash attention or
// the plain path.
#include "ops/attention/attention.h"

#include "core/dispatch.h"
#include "core/scratch.h"
#include "device/dispatch.h"
#include "ops/attention/attention_kernel.h"

namespace rdrop {
namespace {

/// [R,D] as [R,H,Dh], whatever the stride of its rows.
at::Tensor heads_of(const at::Tensor& rows, int64_t heads) {
  return rows.unflatten(1, {heads, rows.size(1) / heads});
}

/// What forward and backward pass to the plain path alike.
template <typename T>
DeviceAttention<T> arguments_of(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                                const AttentionShape& shape, const Dropout& dropout, const at::Tensor& out,
                                const at::Tensor& log_sum) {
  DeviceAttention<T> arguments{};
  arguments.query = elements<T>(query);
  arguments.key = elements<T>(key);
  arguments.value = elements<T>(value);
  arguments.query_starts = elements<int32_t>(shape.query_starts);
  arguments.key_starts = elements<int32_t>(shape.key_starts);
  arguments.query_stride = query.stride(0);
  arguments.key_stride = key.stride(0);
  arguments.sequences = shape.query_starts.size(0) - 1;
  arguments.longest_query = shape.longest_query;
  arguments.longest_key = shape.longest_key;
  arguments.heads = shape.heads;
  arguments.head_dim = query.size(1) / shape.heads;
  arguments.causal = shape.causal;
  arguments.dropout = dropout;
  arguments.out = mutable_elements<T>(out);
  arguments.log_sum = mutable_elements<float>(log_sum);
  return arguments;
}

}  // namespace

AttentionSaved attention_on(Device& device, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const AttentionShape& shape, const Dropout& dropout, at::Tensor& out) {
  AttentionSaved saved;
  if (dropout.p == 0 && device.has_flash_attention(query.scalar_type(), query.size(1) / shape.heads)) {
    saved.flash = device.flash_attention(heads_of(query, shape.heads), heads_of(key, shape.heads),
                                         heads_of(value, shape.heads), shape.query_starts, shape.key_starts,
                                         shape.longest_query, shape.longest_key, shape.causal);
    out = saved.flash.out.flatten(1);
  } else {
    saved.out = out;
    saved.log_sum = device.empty({query.size(0), shape.heads}, at::kFloat);
    dispatch_device(query, [&](auto zero) {
      using T = decltype(zero);
      device.kernels().layers<T>().attention.forward(
          arguments_of<T>(query, key, value, shape, dropout, out, saved.log_sum), device.stream());
    });
  }
  return saved;
}

void attention_backward_on(Device& device, const at::Tensor& out_gradient, const at::Tensor& query,
                           const at::Tensor& key, const at::Tensor& value, const AttentionSaved& saved,
                           const AttentionShape& shape, const Dropout& dropout, at::Tensor& query_gradient,
                           at::Tensor& key_gradient, at::Tensor& value_gradient) {
  if (saved.flash.out.defined()) {
    at::Tensor query_heads = heads_of(query_gradient, shape.heads), key_heads = heads_of(key_gradient, shape.heads),
               value_heads = heads_of(value_gradient, shape.heads);
    device.flash_attention_backward(heads_of(out_gradient, shape.heads), heads_of(query, shape.heads),
                                    heads_of(key, shape.heads), heads_of(value, shape.heads), saved.flash,
                                    shape.query_starts, shape.key_starts, shape.longest_query, shape.longest_key,
                                    shape.causal, query_heads, key_heads, value_heads);
  } else {
    const at::Tensor slope = device.empty({query.size(0), shape.heads}, at::kFloat);
    dispatch_device(query, [&](auto zero) {
      using T = decltype(zero);
      DeviceAttention<T> arguments = arguments_of<T>(query, key, value, shape, dropout, saved.out, saved.log_sum);
      arguments.out_gradient = elements<T>(out_gradient);
      arguments.slope = mutable_elements<float>(slope);
      arguments.query_gradient = mutable_elements<T>(query_gradient);
      arguments.key_gradient = mutable_elements<T>(key_gradient);
      arguments.value_gradient = mutable_elements<T>(value_gradient);
      device.kernels().layers<T>().attention.backward(arguments, device.stream());
    });
  }
}

// The CPU.

namespace {

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
    const at::Tensor scratch = temporary({plan.scratch}, type);
    Attention<T> mine = arguments;
    mine.scratch = mutable_elements<Wide<T>>(scratch);
    run(mine, begin, end);
  });
}

}  // namespace

AttentionSaved attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         const AttentionShape& shape, const Dropout& dropout, at::Tensor& out) {
  if (Device* device = current_device()) return attention_on(*device, query, key, value, shape, dropout, out);
  const int64_t head_dim = query.size(1) / shape.heads;
  const Plan plan = plan_of(shape, head_dim, query.scalar_type());
  at::Tensor probability = temporary({plan.probabilities}, wide_type(query.scalar_type()));
  dispatch_layers(query, [&](auto zero) {
    using T = decltype(zero);
    Attention<T> arguments{};
    arguments.query = elements<T>(query);
    arguments.key = elements<T>(key);
    arguments.value = elements<T>(value);
    arguments.out = mutable_elements<T>(out);
    arguments.probability = mutable_elements<Wide<T>>(probability);
    arguments.query_offsets = shape.query_offsets.data();
    arguments.key_begin = shape.key_begin.data();
    arguments.key_end = shape.key_end.data();
    arguments.probability_offsets = plan.probability_offsets.data();
    arguments.query_stride = query.stride(0);
    arguments.key_stride = key.stride(0);
    arguments.heads = shape.heads;
    arguments.head_dim = head_dim;
    arguments.causal = shape.causal;
    arguments.dropout = dropout;
    run_items(arguments, plan, shape, kernels<AttentionKernels<T>>().forward);
  });
  AttentionSaved saved;
  saved.probability = probability;
  return saved;
}

void attention_backward(const at::Tensor& out_gradient, const at::Tensor& query, const at::Tensor& key,
                        const at::Tensor& value, const AttentionSaved& saved, const AttentionShape& shape,
                        const Dropout& dropout, at::Tensor& query_gradient, at::Tensor& key_gradient,
                        at::Tensor& value_gradient) {
  if (Device* device = current_device()) {
    return attention_backward_on(*device, out_gradient, query, key, value, saved, shape, dropout, query_gradient,
                                 key_gradient, value_gradient);
  }
  const int64_t head_dim = query.size(1) / shape.heads;
  const Plan plan = plan_of(shape, head_dim, query.scalar_type());
  dispatch_layers(query, [&](auto zero) {
    using T = decltype(zero);
    Attention<T> arguments{};
    arguments.query = elements<T>(query);
    arguments.key = elements<T>(key);
    arguments.value = elements<T>(value);
    arguments.probability = const_cast<Wide<T>*>(elements<Wide<T>>(saved.probability));
    arguments.query_offsets = shape.query_offsets.data();
    arguments.key_begin = shape.key_begin.data();
    arguments.key_end = shape.key_end.data();
    arguments.probability_offsets = plan.probability_offsets.data();
    arguments.query_stride = query.stride(0);
    arguments.key_stride = key.stride(0);
    arguments.heads = shape.heads;
    arguments.head_dim = head_dim;
    arguments.causal = shape.causal;
    arguments.dropout = dropout;
    arguments.out_gradient = elements<T>(out_gradient);
    arguments.query_gradient = mutable_elements<T>(query_gradient);
    arguments.key_gradient = mutable_elements<T>(key_gradient);
    arguments.value_gradient = mutable_elements<T>(value_gradient);
    run_items(arguments, plan, shape, kernels<AttentionKernels<T>>().backward);
  });
}

}  // namespace rdrop
