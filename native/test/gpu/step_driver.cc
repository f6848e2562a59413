// step_driver [--quick] [--precision bfloat16] [--seconds N] [--batches FILE] [SECTION…]: see step.h. Without a section
// all run; one that fails is told and the next one runs. Exit status 1: something failed; 2: no device.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <thread>

#include "core/errors.h"
#include "device/open_cuda.h"
#include "test/gpu/step.h"

namespace rdrop::gpu {

int64_t BatchLengths::tokens() const {
  return std::accumulate(source.begin(), source.end(), int64_t(0)) +
         std::accumulate(target.begin(), target.end(), int64_t(0));
}

std::vector<BatchLengths> read_batches(const std::string& file) {
  std::ifstream in(file);
  if (!in) fail(ErrorCode::invalid_argument, "batches: '", file, "' cannot be read");
  std::vector<BatchLengths> all;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    BatchLengths batch;
    std::istringstream entries(line);
    int32_t source, target, pairs;
    for (char colon; entries >> source >> colon >> target >> colon >> pairs;) {
      batch.source.insert(batch.source.end(), size_t(pairs), source);
      batch.target.insert(batch.target.end(), size_t(pairs), target);
    }
    all.push_back(std::move(batch));
  }
  return all;
}

Packed TokenSource::operator()(const std::vector<int32_t>& lengths) {
  Packed packed;
  for (const int32_t length : lengths) {
    for (int32_t k = 0; k + 1 < length; ++k) {
      state_ = state_ * 1664525u + 1013904223u;
      packed.tokens.push_back(int32_t(4 + (state_ >> 8) % uint32_t(types_ - 4)));
    }
    packed.tokens.push_back(kEos);
    packed.offsets.push_back(int32_t(packed.tokens.size()));
  }
  return packed;
}

Settings settings_of(const std::string& batches_file, bool quick, at::ScalarType type, double seconds) {
  Settings settings{quick, type, seconds, {}, {}, {}};
  ModelConfig& m = settings.model;
  m = {10152, 10152, 512, 1024, 4, 6, 6, 0.3, 0, 0, false, Activation::relu, ModelConfig::Share::all, 1024};
  std::vector<BatchLengths> all = read_batches(batches_file);
  if (quick) {
    m.source_vocab_size = m.vocab_size = 120;
    m.embed_dim = 64, m.ffn_dim = 64, m.encoder_layers = m.decoder_layers = 1;
    std::vector<BatchLengths> few;
    for (BatchLengths& batch : all) {
      batch.source.resize(std::min<size_t>(batch.source.size(), 3));
      batch.target.resize(batch.source.size());
      if (batch.tokens() < 80 && few.size() < 12) few.push_back(batch);
    }
    all = std::move(few);
  }
  TokenSource tokens(64, m.vocab_size);
  for (const BatchLengths& lengths : all)
    settings.batches.push_back({tokens(lengths.source), tokens(lengths.target), {}});
  settings.epoch = std::move(all);
  return settings;
}

OptimizerOptions paper_optimizer() {
  OptimizerOptions optimizer{};
  optimizer.schedule = {5e-4, 1e-7, 4000, ScheduleKind::inverse_sqrt};
  optimizer.adam = {0.9, 0.98, 1e-8, 1e-4};
  return optimizer;
}

LossOptions paper_loss(LossOptions::Direction direction) {
  LossOptions loss;
  loss.direction = direction;
  loss.alpha = 5;
  loss.label_smoothing = 0.1;
  loss.ignore_index = kPad;
  return loss;
}

const char* name_of(at::ScalarType type) {
  return type == at::kBFloat16 ? "bfloat16"
         : type == at::kHalf   ? "float16"
         : type == at::kFloat  ? "float32"
                               : "float64";
}

const char* name_of(LossOptions::Direction direction) {
  return direction == LossOptions::Direction::uni  ? "uni"
         : direction == LossOptions::Direction::bi ? "bi"
                                                   : "uni-reverse";
}

std::unique_ptr<Trainer> make_trainer(const Settings& settings, Device& device, LossOptions::Direction direction,
                                      at::ScalarType type) {
  auto model = std::make_shared<Transformer>(settings.model, type, 64, &device);
  return std::make_unique<Trainer>(std::move(model), paper_optimizer(), paper_loss(direction));
}

double seconds_of(const std::function<void()>& body) {
  const auto begun = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

void print_row(const char* format, ...) {
  va_list values;
  va_start(values, format);
  std::vprintf(format, values);
  va_end(values);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

namespace {

struct Section {
  const char* name;
  bool (*run)(const Settings&, Device&);
};

constexpr Section kSections[] = {
    {"gradients", check_gradients}, {"same-bits", check_same_bits},       {"recording", time_recording},
    {"epoch", time_epochs},         {"translations", check_translations}, {"translation", time_translation},
    {"profile", profile},
};

/// Runs a section and tells how it ended.
bool run(const Section& section, const Settings& settings, Device& device) {
  bool agreed = false;
  std::string message;
  // A section that hangs ends the program by SIGALRM; the stage starts it again for the sections that are left.
  alarm(60 + (section.run == time_epochs ? unsigned(4 * settings.seconds) : 0));
  const double seconds = seconds_of([&] {
    try {
      agreed = section.run(settings, device);
      device.synchronize();
      if (!agreed) message = "what was compared does not agree";
    } catch (const std::exception& error) {
      message = error.what();
    }
  });
  alarm(0);
  agreed = agreed && message.empty();
  print_row("{\"row\":\"section\",\"section\":\"%s\",\"passed\":%s,\"seconds\":%.2f,\"message\":%s}", section.name,
            agreed ? "true" : "false", seconds, json_text(message).c_str());
  return agreed;
}

/// Whether the device still works after a section.
bool is_well(Device& device) {
  try {
    device.synchronize();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

Device& open() {
  const std::string libtorch = RDROP_LIBTORCH_LIBRARIES;
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const bool with_addon = std::filesystem::exists(here / "Release/librdrop_cuda.so");
  set_cuda_libraries({{libtorch + "/libc10_cuda.so", libtorch + "/libtorch_cuda.so"},
                      here / (with_addon ? "Release/librdrop_cuda.so" : "librdrop_cuda.so"),
                      ""});
  prepare_cuda();
  return open_cuda_device(0);
}

at::ScalarType type_of(const std::string& name) {
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf, at::kFloat}) {
    if (name == name_of(type)) return type;
  }
  fail(ErrorCode::invalid_argument, "--precision: expected bfloat16, float16 or float32, got '", name, "'");
}

int main_of(const std::vector<std::string>& arguments) {
  bool quick = false;
  double seconds = 60;
  at::ScalarType type = at::kBFloat16;
  std::string batches = "benchmarks/iwslt14/batches.txt";
  std::vector<std::string> wanted;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const bool more = i + 1 < arguments.size();
    if (arguments[i] == "--quick") {
      quick = true;
    } else if (arguments[i] == "--seconds" && more) {
      seconds = std::stod(arguments[++i]);
    } else if (arguments[i] == "--precision" && more) {
      type = type_of(arguments[++i]);
    } else if (arguments[i] == "--batches" && more) {
      batches = arguments[++i];
    } else {
      wanted.push_back(arguments[i]);
    }
  }
  const Settings settings = settings_of(batches, quick, type, seconds);
  Device* device = nullptr;
  try {
    const double opening = seconds_of([&] { device = &open(); });
    const DeviceInfo info = device->info();
    print_row(
        "{\"row\":\"device\",\"name\":%s,\"capability\":\"%d.%d\",\"multiprocessors\":%d,\"totalBytes\":%lld,"
        "\"openSeconds\":%.2f,\"quick\":%s}",
        json_text(info.name).c_str(), info.compute_major, info.compute_minor, info.multiprocessors,
        static_cast<long long>(info.total_bytes), opening, quick ? "true" : "false");
  } catch (const Error& error) {
    std::fprintf(stderr, "step_driver: %s: %s\n", name_of(error.code()), error.what());
    return 2;
  }
  int status = 0;
  for (const Section& section : kSections) {
    const bool asked = wanted.empty() || std::find(wanted.begin(), wanted.end(), section.name) != wanted.end();
    if (!asked) continue;
    if (!run(section, settings, *device)) status = 1;
    if (!is_well(*device)) return 3;
  }
  return status;
}

}  // namespace
}  // namespace rdrop::gpu

int main(int count, char** arguments) {
  at::NoGradGuard no_grad;
  at::set_num_threads(int(std::thread::hardware_concurrency()));
  int status = 1;
  try {
    status = rdrop::gpu::main_of({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "step_driver: %s\n", error.what());
  }
  std::fflush(stdout);
  std::_Exit(status);  // libtorch's threads and statics need not be taken down
}
