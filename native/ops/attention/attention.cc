// Attention on the CPU: one item (a head of a sequence) at a time, items over threads.
#include "ops/attention/attention.h"

#include "core/dispatch.h"
#include "core/scratch.h"

namespace rdrop {
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
    run_items(arguments, plan, shape, kernels().layers<T>().attention.forward);
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
    run_items(arguments, plan, shape, kernels().layers<T>().attention.backward);
  });
}

}  // namespace rdrop
