// One run over several processes with a device each: see commands.h.
#include <csignal>
#include <cmath>
#include <cstdio>

#include "core/errors.h"
#include "test/cuda_mock/driver/commands.h"
#include "test/cuda_mock/driver/mock.h"
#include "test/cuda_mock/driver/training.h"

namespace cuda_mock::driver {
namespace {

using namespace rdrop;

at::Tensor parameters_of(const Training& training, Device& device) {
  const DeviceScope scope(&device);
  return device.memory().download(training.model->parameters().flat);
}

uint64_t checksum(const at::Tensor& parameters) {
  uint64_t sum = 0;
  const auto* words = static_cast<const uint32_t*>(parameters.const_data_ptr());
  for (int64_t i = 0; i < parameters.numel(); ++i) sum = (sum ^ words[i]) * 0x9e3779b97f4a7c15u;
  return sum;
}

struct Difference {
  double parameters = -1;  ///< largest of all but key biases
  double key_biases = -1;  ///< whose gradient is only rounding, which Adam enlarges
};

Difference difference(const Training& training, const at::Tensor& a, const at::Tensor& b) {
  Difference most{0, 0};
  const float *x = a.const_data_ptr<float>(), *y = b.const_data_ptr<float>();
  for (const NamedSlice& slice : training.model->parameters().names) {
    double& into = slice.name.ends_with("k_proj.bias") ? most.key_biases : most.parameters;
    for (int64_t i = slice.offset; i < slice.offset + slice.size(); ++i) {
      const double one = std::fabs(double(x[i]) - double(y[i]));
      into = std::isnan(one) ? 1e300 : std::fmax(into, one);
    }
  }
  return most;
}

}  // namespace

int ranks(const Options& options) {
  const long rank = options.number("rank", 0), size = options.number("size", 2);
  const long updates = options.number("updates", 30), killed = options.number("killed", -1);
  const bool by_device = options.text("backend", "gloo") == "nccl";
  const bool bfloat16 = options.text("gradients", "float32") == "bfloat16";
  GroupOptions group{rank,
                     size,
                     "127.0.0.1",
                     options.number("port", 29500),
                     rank == 0,
                     "run",
                     double(options.number("timeout", 20)),
                     double(options.number("timeout", 20)),
                     "gloo",
                     options.text("library", "")};
  Device& device = cuda_device(options);
  const auto joined = open_group(group);
  Training training = make_training(options, device, Distributed{joined, bfloat16, 25 << 20, by_device});
  const auto batches = small_batches(size * 4 + 1, training.model->config());
  const auto batch = [&](long update, long number) { return batches[size_t(update * size + number) % batches.size()]; };
  // The last update has one batch alone, as an epoch may end.
  const auto ranks_of = [&](long update) { return update + 1 < updates ? size : 1; };
  std::string error;
  long done = 0;
  try {
    for (long update = 0; update < updates; ++update) {
      std::vector<PackedBatch> own;
      if (rank < ranks_of(update)) own.push_back(batch(update, rank));
      if (update == killed && rank == size - 1) {
        if (options.number("within", 0)) training.trainer->step(own);  // of which nothing has run yet
        std::raise(options.number("stopped", 0) ? SIGSTOP : SIGKILL);
      }
      training.trainer->step(own);
      if (killed >= 0) training.trainer->metrics();
      ++done;
    }
    training.trainer->metrics();
  } catch (const std::exception& thrown) {
    const auto* coded = dynamic_cast<const Error*>(&thrown);
    error = (coded ? std::string(name_of(coded->code())) + ": " : "") + thrown.what();
  }
  Difference differs;
  const at::Tensor own = parameters_of(training, device);
  if (rank == 0) {
    Training alone = make_training(options, device);
    for (long update = 0; update < done; ++update) {
      std::vector<PackedBatch> all;
      for (long number = 0; number < ranks_of(update); ++number) all.push_back(batch(update, number));
      alone.trainer->step(all);
    }
    alone.trainer->metrics();
    differs = difference(training, own, parameters_of(alone, device));
  }
  joined->leave();
  const auto broken = violations();
  std::printf(
      "{\"checksum\":\"%016lx\",\"done\":%ld,\"difference\":%.3g,\"keyBiases\":%.3g,\"error\":%s,\"violations\":%s}\n",
      static_cast<unsigned long>(checksum(own)), done, differs.parameters, differs.key_biases, json_text(error).c_str(),
      json_list(broken).c_str());
  std::fflush(stdout);
  return broken.empty() && error.empty() ? 0 : 1;
}

}  // namespace cuda_mock::driver
