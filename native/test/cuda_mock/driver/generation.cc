// Texts of a language model on the mock, the emulated device and the CPU: see commands.h.
#include "generation/generation.h"

#include <cstdio>

#include "test/cuda_mock/driver/commands.h"
#include "test/cuda_mock/driver/mock.h"
#include "test/cuda_mock/driver/training.h"

namespace cuda_mock::driver {
namespace {

using namespace rdrop;

ModelConfig decoder_config(const Options& options) {
  ModelConfig config = model_config(options);
  config.architecture = ModelConfig::Architecture::decoder;
  config.encoder_layers = 0;
  config.max_positions = options.number("positions", 24);
  return config;
}

/// A network with the same initial parameters everywhere, on the CPU in float32.
std::unique_ptr<Transformer> model_on(Device* device, const Options& options) {
  const bool tf32 = device && options.text("precision", "") == "tf32";
  return std::make_unique<Transformer>(decoder_config(options), device ? precision(options) : at::kFloat, 3, device,
                                       tf32);
}

GenerationOptions generation_options(long tokens) {
  GenerationOptions options{};
  options.max_tokens = tokens;
  options.until_eos = false;
  options.sampling = {true, 1, 0, 1, 0};
  options.seed = 5;
  return options;
}

/// Of 1 to 23 tokens, and one of 60.
Packed prompts_of(const ModelConfig& config, long count) {
  Packed prompts;
  uint32_t state = 11;
  for (long i = 0; i < count; ++i) {
    const long length = i == 2 ? 60 : 1 + (i * 7) % 23;
    for (long at = 0; at < length; ++at) {
      state = state * 1664525u + 1013904223u;
      prompts.tokens.push_back(int32_t(4 + (state >> 8) % uint32_t(config.vocab_size - 4)));
    }
    prompts.offsets.push_back(int32_t(prompts.tokens.size()));
  }
  return prompts;
}

/// The tokens of each way of generation.
std::vector<std::vector<std::vector<int32_t>>> texts_of(const Transformer& model) {
  std::vector<std::vector<std::vector<int32_t>>> all;
  for (const bool greedy : {true, false}) {
    GenerationOptions options = generation_options(12);
    options.sampling.greedy = greedy;
    auto& texts = all.emplace_back();
    for (auto& text : generate(model, prompts_of(model.config(), 8), options)) texts.push_back(std::move(text.tokens));
  }
  GenerationOptions options = generation_options(10);
  options.beam = 3;
  auto& texts = all.emplace_back();
  for (auto& text : generate(model, prompts_of(model.config(), 3), options)) texts.push_back(std::move(text.tokens));
  return all;
}

/// Texts that differ, by way of generation, as JSON.
std::string different(const std::vector<std::vector<std::vector<int32_t>>>& a,
                      const std::vector<std::vector<std::vector<int32_t>>>& b) {
  std::string counts;
  for (size_t way = 0; way < a.size(); ++way) {
    size_t count = 0;
    for (size_t i = 0; i < a[way].size(); ++i) count += a[way][i] != b[way][i];
    counts += (way > 0 ? "," : "[") + std::to_string(count);
  }
  return counts + "]";
}

}  // namespace

int generation(const Options& options) {
  const auto mock = model_on(&cuda_device(options), options);
  const auto found = texts_of(*mock);
  const std::string from_emulated = different(found, texts_of(*model_on(&emulated_device(options), options)));
  const std::string from_cpu = different(found, texts_of(*model_on(nullptr, options)));
  std::string work;
  for (const long tokens : {6, 12, 18, 24}) {
    const int64_t before = mock_multiplications();
    generate(*mock, prompts_of(mock->config(), 1), generation_options(tokens));
    work += (tokens > 6 ? "," : "[") + std::to_string(mock_multiplications() - before);
  }
  size_t texts = 0;
  for (const auto& way : found) texts += way.size();
  const auto broken = violations();
  std::printf(
      "{\"texts\":%zu,\"differentFromEmulated\":%s,\"differentFromCpu\":%s,\"multiplications\":%s],"
      "\"violations\":%s}\n",
      texts, from_emulated.c_str(), from_cpu.c_str(), work.c_str(), json_list(broken).c_str());
  return broken.empty() ? 0 : 1;
}

}  // namespace cuda_mock::driver
