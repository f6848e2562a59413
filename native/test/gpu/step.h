// The step's program: what a machine with a GPU shows of whole training steps without Node. Prints one object of JSON a
// result, as soon as it is known; rows of speed have the fields of benchmarks/gpu.mjs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "device/device.h"
#include "training/trainer.h"
#include "translation/beam_search.h"

namespace rdrop::gpu {

/// The lengths in tokens, eos included, of a batch's pairs.
struct BatchLengths {
  std::vector<int32_t> source, target;
  int64_t tokens() const;
};

/// benchmarks/iwslt14/batches.txt, in the order of an epoch. Throws where it cannot be read.
std::vector<BatchLengths> read_batches(const std::string& file);

/// The random tokens of lib/benchmark/iwslt14.ts: every program trains on the same numbers.
class TokenSource {
 public:
  TokenSource(uint32_t seed, int64_t types) : state_(seed), types_(types) {}
  Packed operator()(const std::vector<int32_t>& lengths);

 private:
  uint32_t state_;
  int64_t types_;
};

struct Settings {
  bool quick;           ///< a tiny model and few batches: whether it runs, not how fast
  at::ScalarType type;  ///< of what is timed
  double seconds;       ///< most that one epoch may take; a part of it then stands for it
  ModelConfig model;
  std::vector<BatchLengths> epoch;
  std::vector<PackedBatch> batches;  ///< of the epoch, with tokens
};

Settings settings_of(const std::string& batches_file, bool quick, at::ScalarType type, double seconds);

OptimizerOptions paper_optimizer();
LossOptions paper_loss(LossOptions::Direction direction);
const char* name_of(at::ScalarType type);
const char* name_of(LossOptions::Direction direction);
std::unique_ptr<Trainer> make_trainer(const Settings& settings, Device& device, LossOptions::Direction direction,
                                      at::ScalarType type);

double seconds_of(const std::function<void()>& body);

/// One object of JSON a line; flushed, so that nothing is lost when the program is stopped.
void print_row(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string json_text(const std::string& text);

// The sections. Each returns whether what it compared agreed.
bool check_gradients(const Settings& settings, Device& device);
bool check_same_bits(const Settings& settings, Device& device);
bool check_translations(const Settings& settings, Device& device);
bool time_recording(const Settings& settings, Device& device);
bool time_epochs(const Settings& settings, Device& device);
bool time_translation(const Settings& settings, Device& device);
bool profile(const Settings& settings, Device& device);

}  // namespace rdrop::gpu
