// Attention on the CPU: one item (a head of a sequence) at a time, items over threads.
#include "ops/attention.h"

#include <ATen/ops/empty.h>

#include "ops/dispatch.h"

namespace rdrop {
namespace {

struct Plan {
  std::vector<int64_t> probability_offsets;
  int64_t probabilities = 0;
  int64_t scratch = 0;
};

Plan plan_of(const AttentionShape& shape, int64_t head_dim) {
  Plan plan;
  for (size_t i = 0; i + 1 < shape.query_offsets.size(); ++i) {
    const int64_t queries = shape.query_offsets[i + 1] - shape.query_offsets[i];
    const int64_t keys = shape.key_end[i] - shape.key_begin[i];
    plan.probability_offsets.push_back(plan.probabilities);
    plan.probabilities += shape.heads * queries * attention_padded(keys);
    plan.scratch = std::max(plan.scratch, attention_scratch(queries, keys, head_dim));
  }
  return plan;
}

template <typename T, typename Run>
void run_items(Attention<T> arguments, const Plan& plan, const AttentionShape& shape, const at::TensorOptions& options,
               const Run& run) {
  const int64_t items = int64_t(plan.probability_offsets.size()) * shape.heads;
  at::parallel_for(0, items, 4, [&](int64_t begin, int64_t end) {
    const at::Tensor scratch = at::empty({plan.scratch}, options);
    Attention<T> mine = arguments;
    mine.scratch = scratch.mutable_data_ptr<T>();
    run(mine, begin, end);
  });
}

}  // namespace

AttentionSaved attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         const AttentionShape& shape, const Dropout& dropout, at::Tensor& out) {
  if (Device* device = current_device()) return attention_on(*device, query, key, value, shape, dropout, out);
  const int64_t head_dim = query.size(1) / shape.heads;
  const Plan plan = plan_of(shape, head_dim);
  at::Tensor probability = at::empty({plan.probabilities}, query.options().requires_grad(false));
  dispatch_floating(query, [&](auto zero) {
    using T = decltype(zero);
    Attention<T> arguments{};
    arguments.query = query.const_data_ptr<T>();
    arguments.key = key.const_data_ptr<T>();
    arguments.value = value.const_data_ptr<T>();
    arguments.out = out.mutable_data_ptr<T>();
    arguments.probability = probability.mutable_data_ptr<T>();
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
    run_items(arguments, plan, shape, probability.options(), kernels().layers<T>().attention.forward);
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
  const Plan plan = plan_of(shape, head_dim);
  dispatch_floating(query, [&](auto zero) {
    using T = decltype(zero);
    Attention<T> arguments{};
    arguments.query = query.const_data_ptr<T>();
    arguments.key = key.const_data_ptr<T>();
    arguments.value = value.const_data_ptr<T>();
    arguments.probability = const_cast<T*>(saved.probability.const_data_ptr<T>());
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
    arguments.out_gradient = out_gradient.const_data_ptr<T>();
    arguments.query_gradient = query_gradient.mutable_data_ptr<T>();
    arguments.key_gradient = key_gradient.mutable_data_ptr<T>();
    arguments.value_gradient = value_gradient.mutable_data_ptr<T>();
    run_items(arguments, plan, shape, out_gradient.options(), kernels().layers<T>().attention.backward);
  });
}

}  // namespace rdrop
