// The mock against the emulated device: see commands.h.
#include <cmath>
#include <cstdio>

#include "test/cuda_mock/driver/commands.h"
#include "test/cuda_mock/driver/mock.h"
#include "test/cuda_mock/driver/training.h"

namespace cuda_mock::driver {
namespace {

using namespace rdrop;

struct Outcome {
  std::vector<double> losses;
  std::vector<float> parameters;
  std::vector<std::vector<Hypothesis>> hypotheses;
  std::string fallback;
};

Outcome outcome_of(const Options& options, Device& device) {
  Training training = make_training(options, device);
  const auto batches = small_batches(8, training.model->config());
  Outcome outcome;
  for (long update = 0; update < options.number("updates", 30); ++update) {
    training.trainer->step({batches[size_t(update) % batches.size()]});
    const StepMetrics metrics = training.trainer->metrics();
    outcome.losses.push_back(metrics.sums.loss);
    outcome.fallback = metrics.graph_fallback_reason;
  }
  const DeviceScope scope(&device);
  const at::Tensor host = device.memory().download(training.model->parameters().flat);
  const float* values = host.const_data_ptr<float>();
  outcome.parameters.assign(values, values + host.numel());
  const Translations found = beam_search(*training.model, batches[0].source, beam_options());
  outcome.hypotheses = found.hypotheses;
  if (outcome.fallback.empty()) outcome.fallback = found.graph_fallback_reason;
  return outcome;
}

/// JSON has no infinity.
double finite(double x) {
  return std::isfinite(x) ? x : 1e300;
}

}  // namespace

int compare(const Options& options) {
  const Outcome mock = outcome_of(options, cuda_device(options));
  const Outcome emulated = outcome_of(options, emulated_device(options));
  double loss = 0, parameter = 0;
  for (size_t i = 0; i < mock.losses.size(); ++i) {
    loss = std::fmax(loss, std::fabs(mock.losses[i] / emulated.losses[i] - 1));
    if (!std::isfinite(mock.losses[i])) loss = INFINITY;
  }
  for (size_t i = 0; i < mock.parameters.size(); ++i) {
    const double difference = std::fabs(double(mock.parameters[i]) - double(emulated.parameters[i]));
    // The padding between two tensors holds what it holds.
    if (std::isnan(mock.parameters[i]) && std::isnan(emulated.parameters[i])) continue;
    parameter = std::isnan(difference) ? INFINITY : std::fmax(parameter, difference);
  }
  size_t different = 0, sentences = mock.hypotheses.size();
  for (size_t i = 0; i < sentences; ++i) {
    const auto &a = mock.hypotheses[i], &b = emulated.hypotheses[i];
    bool same = a.size() == b.size();
    for (size_t k = 0; same && k < a.size(); ++k) same = a[k].tokens == b[k].tokens;
    different += !same;
  }
  const auto broken = violations();
  std::printf(
      "{\"updates\":%zu,\"lastLoss\":%.17g,\"lossDifference\":%.3g,\"parameterDifference\":%.3g,"
      "\"sentences\":%zu,\"differentSentences\":%zu,\"graphFallbackReason\":%s,\"violations\":%s}\n",
      mock.losses.size(), finite(mock.losses.back()), finite(loss), finite(parameter), sentences, different,
      json_text(mock.fallback).c_str(), json_list(broken).c_str());
  return broken.empty() ? 0 : 1;
}

}  // namespace cuda_mock::driver
