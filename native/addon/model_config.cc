// The configuration of a network out of JavaScript's object: NativeModelConfig of lib/native/contract.ts.
#include "addon/convert.h"
#include "core/errors.h"

namespace rdrop {
namespace {

/// Whether an option is given; else it stays as it is in ModelConfig.
bool is_given(const Napi::Value& value, const char* name) {
  return !property(value, name).IsUndefined();
}

template <typename Choice>
void read_choice(const Napi::Value& value, const char* name, std::initializer_list<const char*> allowed, Choice& to) {
  if (is_given(value, name)) to = static_cast<Choice>(choice_property(value, name, allowed));
}

void read_number(const Napi::Value& value, const char* name, double& to) {
  if (is_given(value, name)) to = number_property(value, name);
}

void read_flag(const Napi::Value& value, const char* name, bool& to) {
  if (is_given(value, name)) to = boolean_property(value, name);
}

/// What of the network is not fairseq's encoder-decoder.
void read_composition(const Napi::Value& value, ModelConfig& config) {
  read_choice(value, "architecture", {"encoder-decoder", "encoder", "decoder"}, config.architecture);
  read_choice(value, "output", {"classes", "value"}, config.output);
  read_choice(value, "positions", {"sinusoidal", "learned"}, config.learned_positions);
  read_choice(value, "initialization", {"fairseq", "bert", "gpt2"}, config.initialization);
  read_choice(value, "pooling", {"first", "mean"}, config.pooling);
  read_choice(value, "pooler", {"none", "tanh", "relu"}, config.pooler);
  if (is_given(value, "outputs")) config.outputs = integer_property(value, "outputs", 1);
  if (is_given(value, "tokenTypes")) config.token_types = integer_property(value, "tokenTypes", 0);
  read_flag(value, "scaleEmbeddings", config.scale_embeddings);
  read_flag(value, "embeddingNorm", config.embedding_norm);
  read_flag(value, "bias", config.bias);
  read_number(value, "normEpsilon", config.norm_epsilon);
  read_number(value, "headInputDropout", config.head_input_dropout);
  read_number(value, "headDropout", config.head_dropout);
}

void check_composition(const ModelConfig& config) {
  const bool layers = (!config.has_encoder() || config.encoder_layers >= 1) &&
                      (!config.has_decoder() || config.decoder_layers >= 1) && config.encoder_layers >= 0 &&
                      config.decoder_layers >= 0;
  const bool head = config.has_decoder()
                        ? config.outputs == 0 && config.token_types == 0
                        : config.outputs >= 1 && (config.output == ModelConfig::Output::classes || config.outputs == 1);
  if (config.vocab_size < 5 || config.source_vocab_size < 5 || config.heads < 1 || config.embed_dim < 2 ||
      config.embed_dim % config.heads != 0 || config.ffn_dim < 1 || !layers || !head || config.max_positions < 1 ||
      !(config.norm_epsilon > 0)) {
    fail(ErrorCode::invalid_argument, "model configuration: a size is out of range");
  }
  if (config.source_vocab_size != config.vocab_size &&
      (!config.has_both() || config.share_embeddings == ModelConfig::Share::all)) {
    fail(ErrorCode::invalid_argument, "model configuration: one matrix of embeddings for ", config.source_vocab_size,
         " and ", config.vocab_size, " types");
  }
}

}  // namespace

ModelConfig model_config(const Napi::Value& value) {
  ModelConfig config;
  config.vocab_size = integer_property(value, "vocabSize");
  config.source_vocab_size =
      property(value, "sourceVocabSize").IsUndefined() ? config.vocab_size : integer_property(value, "sourceVocabSize");
  config.embed_dim = integer_property(value, "embedDim");
  config.ffn_dim = integer_property(value, "ffnDim");
  config.heads = integer_property(value, "heads");
  config.encoder_layers = integer_property(value, "encoderLayers");
  config.decoder_layers = integer_property(value, "decoderLayers");
  config.dropout = number_property(value, "dropout");
  config.attention_dropout = number_property(value, "attentionDropout");
  config.activation_dropout = number_property(value, "activationDropout");
  config.pre_norm = choice_property(value, "norm", {"post", "pre"}) == 1;
  config.activation = static_cast<Activation>(choice_property(value, "activation", {"relu", "gelu"}));
  config.share_embeddings =
      static_cast<ModelConfig::Share>(choice_property(value, "shareEmbeddings", {"all", "decoder", "none"}));
  config.max_positions = integer_property(value, "maxPositions");
  read_composition(value, config);
  if (config.activation == Activation::gelu && !config.has_both()) config.activation = Activation::vector_gelu;
  check_composition(config);
  return config;
}

}  // namespace rdrop
