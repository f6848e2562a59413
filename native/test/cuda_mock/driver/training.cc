// See training.h.
#include "test/cuda_mock/driver/training.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace cuda_mock::driver {
namespace {

using namespace rdrop;

std::filesystem::path own_directory() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

uint32_t next(uint32_t& state) {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

/// `source:target:pairs` groups of a line.
PackedBatch batch_of(const std::string& line, int64_t vocabulary, uint32_t& state) {
  PackedBatch batch;
  const auto append = [&](Packed& packed, int length) {
    for (int i = 0; i + 1 < length; ++i) packed.tokens.push_back(int32_t(4 + next(state) % uint32_t(vocabulary - 4)));
    packed.tokens.push_back(kEos);
    packed.offsets.push_back(int32_t(packed.tokens.size()));
  };
  std::istringstream groups(line);
  for (std::string group; groups >> group;) {
    int source = 0, target = 0, pairs = 0;
    if (std::sscanf(group.c_str(), "%d:%d:%d", &source, &target, &pairs) != 3) continue;
    for (int i = 0; i < pairs; ++i) {
      append(batch.source, source);
      append(batch.target, target);
    }
  }
  return batch;
}

}  // namespace

Device& cuda_device(const Options& options, int index) {
  const auto usual = own_directory().parent_path() / "Release" / "librdrop_cuda.so";
  return open_device(options.text("cuda", usual.string()), index);
}

Device& emulated_device(const Options& options) {
  const auto usual = own_directory() / "librdrop_emulated.so";
  constexpr int kLikeGpu = 4;
  return open_device(options.text("emulated", usual.string()), kLikeGpu);
}

ModelConfig model_config(const Options& options) {
  const bool paper = options.text("model", "small") == "paper";
  ModelConfig config{};
  config.source_vocab_size = config.vocab_size = paper ? 10152 : 40;
  config.embed_dim = options.number("width", paper ? 512 : 64);
  config.ffn_dim = paper ? 1024 : 128;
  config.heads = paper ? 4 : 2;
  config.encoder_layers = config.decoder_layers = paper ? 6 : 2;
  config.dropout = 0.3;
  config.activation = Activation::relu;
  config.share_embeddings = ModelConfig::Share::all;
  config.max_positions = paper ? 1024 : 256;
  return config;
}

at::ScalarType precision(const Options& options) {
  const std::string name = options.text("precision", "bfloat16");
  return name == "float32" || name == "tf32" ? at::kFloat : name == "float16" ? at::kHalf : at::kBFloat16;
}

Training make_training(const Options& options, Device& device, std::optional<Distributed> distributed) {
  OptimizerOptions optimizer{};
  optimizer.schedule = {2e-3, 1e-7, 50, ScheduleKind::inverse_sqrt};
  optimizer.adam = {0.9, 0.98, 1e-8, 1e-4};
  optimizer.clip_norm = 1;
  LossOptions loss;
  loss.direction = LossOptions::Direction::bi;
  loss.alpha = 5;
  loss.label_smoothing = 0.1;
  loss.ignore_index = kPad;
  Training training;
  const bool tf32 = options.text("precision", "") == "tf32";
  training.model = std::make_shared<Transformer>(model_config(options), precision(options), 3, &device, tf32);
  training.trainer = std::make_unique<Trainer>(training.model, optimizer, loss, std::move(distributed));
  return training;
}

std::vector<PackedBatch> epoch_batches(const Options& options, const ModelConfig& config) {
  const std::string path = options.text("batches_of", "benchmarks/iwslt14/batches.txt");
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "%s cannot be read\n", path.c_str());
    std::exit(2);
  }
  const size_t most = size_t(options.number("batches", 1102));
  std::vector<PackedBatch> batches;
  uint32_t state = 7;
  for (std::string line; batches.size() < most && std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') batches.push_back(batch_of(line, config.vocab_size, state));
  }
  return batches;
}

std::vector<PackedBatch> small_batches(long count, const ModelConfig& config, uint32_t seed) {
  std::vector<PackedBatch> batches(static_cast<size_t>(count));
  uint32_t state = seed;
  for (PackedBatch& batch : batches) {
    for (int pair = 0; pair < 12; ++pair) {
      const int length = 1 + int(next(state) % 10);
      std::vector<int32_t> tokens;
      for (int i = 0; i < length; ++i) tokens.push_back(int32_t(4 + next(state) % uint32_t(config.vocab_size - 4)));
      const auto append = [](Packed& packed, auto begin, auto end) {
        packed.tokens.insert(packed.tokens.end(), begin, end);
        packed.tokens.push_back(kEos);
        packed.offsets.push_back(int32_t(packed.tokens.size()));
      };
      append(batch.source, tokens.begin(), tokens.end());
      append(batch.target, tokens.rbegin(), tokens.rend());
    }
  }
  return batches;
}

BeamOptions beam_options() {
  return {/*beam=*/5, /*length_penalty=*/1, /*max_len_a=*/0, /*max_len_b=*/20, /*min_len=*/1, /*n_best=*/5};
}

}  // namespace cuda_mock::driver
