// The forward pass of fairseq/models/transformer/transformer_{encoder,decoder}.py without padding.
#include "model/stack/stack.h"

#include <optional>

#include "model/stack/input.h"

namespace rdrop {
namespace {

/// On the way back, when all that the tape holds from here on has run, tells that the gradients from a layer's first on
/// are final. The buffer begins with the embeddings and goes on with the layers in the order of the forward pass.
void watch_layer(Tape* tape, const Layer& layer) {
  if (!tape || !tape->watcher) return;
  tape->push([tape, &first = layer.self_attention.query_key_value.weight](StateGradient gradient) {
    tape->watcher(first.gradient);
    return gradient;
  });
}

}  // namespace

at::Tensor run_stack(const ModelConfig& config, const Stack& stack, DropoutSites& sites, Tape* tape,
                     const Sequences& sequences, const AttentionShape& own, const StackSource* source,
                     const FirstTokens* only) {
  const int64_t rows = sequences.pass_rows;
  const auto& layers = stack.layers;
  const bool pre_norm = config.pre_norm;
  State state{embed(tape, stack.embedding, sequences, sites.next(config.dropout, rows), !pre_norm), {}};
  if (pre_norm) {
    if (!layers.empty()) watch_layer(tape, layers[0]);
    state = first_norm(tape, state.normed, layers.empty() ? stack.norm : layers[0].self_attention.norm);
  }
  std::optional<SourceMemory> memory;
  if (source) memory = source_memory(tape, source->states, source->gradient, source->keys);
  for (size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = layers[i];
    if (tape) tape->place.layer = int64_t(i);
    if (!pre_norm) watch_layer(tape, layer);
    // In pre-norm a sub-layer ends with the norm of the next one.
    const LayerNorm& after_attention = source ? layer.cross_attention.norm : layer.feed_forward.norm;
    const LayerNorm& after_layer = i + 1 < layers.size() ? layers[i + 1].self_attention.norm : stack.norm;
    const LayerNorm& attention_norm = pre_norm ? after_attention : layer.self_attention.norm;
    const bool few = only && i + 1 == layers.size();
    state = few ? only->attend(tape, state, layer.self_attention, attention_norm, sites.attention(rows))
                : self_attention(tape, state, layer.self_attention, attention_norm, own, sites.attention(rows),
                                 {source ? Kept::source_query_input : Kept::fc1_input});
    if (source) {
      state = cross_attention(tape, state, *memory, int64_t(i), layer.cross_attention,
                              pre_norm ? layer.feed_forward.norm : layer.cross_attention.norm, source->shape,
                              sites.attention(rows), {Kept::fc1_input});
    }
    // In pre-norm a layer ends with the first norm of the next, whose gradients are then final as well.
    if (pre_norm && i + 1 < layers.size()) watch_layer(tape, layers[i + 1]);
    SublayerDropout dropout = sites.feed_forward(rows);
    if (few) dropout = only->dropout_of(dropout);
    state = feed_forward(tape, state, layer.feed_forward, pre_norm ? after_layer : layer.feed_forward.norm,
                         config.activation, dropout, {Kept::query_key_value_input, 1});
  }
  return state.normed;
}

}  // namespace rdrop
