// Where the time of a step goes, by the names of the kernels: libtorch's profiler over replayed steps.
#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <map>

#include "test/gpu/step.h"

namespace rdrop::gpu {
namespace {

/// A kernel's name without what its template arguments and parameters say.
std::string short_name(std::string name) {
  if (name.rfind("void ", 0) == 0) name = name.substr(5);
  return name.substr(0, 160);
}

}  // namespace

bool profile(const Settings& settings, Device& device) {
  namespace profiler = torch::autograd::profiler;
  const auto trainer = make_trainer(settings, device, LossOptions::Direction::uni, settings.type);
  // A batch of middling size, as the roofline counts.
  std::vector<size_t> order(settings.epoch.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return settings.epoch[a].tokens() < settings.epoch[b].tokens(); });
  const PackedBatch& batch = settings.batches[order[order.size() / 2]];
  const auto step = [&] { trainer->step({batch}); };
  for (int i = 0; i < 4; ++i) step();
  device.synchronize();

  const std::set<torch::profiler::impl::ActivityType> activities{torch::profiler::impl::ActivityType::CUDA};
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
  constexpr int kSteps = 20;
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
  const double seconds = seconds_of([&] {
    for (int i = 0; i < kSteps; ++i) step();
    device.synchronize();
  });
  const auto result = profiler::disableProfiler();

  struct Sum {
    int64_t calls = 0;
    double seconds = 0;
  };
  std::map<std::string, Sum> kernels;
  double busy = 0;
  int64_t calls = 0;
  for (const auto& event : result->events()) {
    if (event.deviceType() != c10::DeviceType::CUDA) continue;
    Sum& sum = kernels[short_name(event.name())];
    ++sum.calls;
    sum.seconds += double(event.durationNs()) / 1e9;
    busy += double(event.durationNs()) / 1e9;
    ++calls;
  }
  std::vector<std::pair<std::string, Sum>> sorted(kernels.begin(), kernels.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  print_row(
      "{\"row\":\"profiled step\",\"pairs\":%lld,\"sourceTokens\":%lld,\"targetTokens\":%lld,\"steps\":%d,"
      "\"kernelsPerStep\":%.1f,\"secondsPerStep\":%.5g,\"busySecondsPerStep\":%.5g}",
      static_cast<long long>(batch.source.count()), static_cast<long long>(batch.source.size()),
      static_cast<long long>(batch.target.size()), kSteps, double(calls) / kSteps, seconds / kSteps, busy / kSteps);
  for (const auto& [name, sum] : sorted) {
    print_row("{\"row\":\"profile\",\"kernel\":%s,\"callsPerStep\":%.2f,\"secondsPerStep\":%.5g,\"share\":%.4f}",
              json_text(name).c_str(), double(sum.calls) / kSteps, sum.seconds / kSteps,
              busy > 0 ? sum.seconds / busy : 0);
  }
  // The device may be one that CUPTI cannot watch: nothing was compared, so nothing disagrees.
  if (calls == 0)
    print_row("{\"row\":\"profile\",\"kernel\":null,\"note\":\"libtorch's profiler saw no kernel here\"}");
  return true;
}

}  // namespace rdrop::gpu
