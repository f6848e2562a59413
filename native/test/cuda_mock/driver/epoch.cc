// The shapes of an epoch: see commands.h.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>

#include "core/errors.h"
#include "test/cuda_mock/driver/commands.h"
#include "test/cuda_mock/driver/mock.h"
#include "test/cuda_mock/driver/training.h"

namespace cuda_mock::driver {
namespace {

using Clock = std::chrono::steady_clock;

/// The nodes of all graphs, by graph: how many of each kind and name.
struct Recorded {
  struct Entry {
    std::string kind, name;
    int own;
    size_t count;
  };
  std::map<const void*, size_t> sizes;
  std::vector<const void*> order;
  std::map<const void*, std::vector<Entry>> entries;
};

void add(const MockNode* node, void* argument) {
  auto& recorded = *static_cast<Recorded*>(argument);
  if (recorded.sizes[node->graph]++ == 0) recorded.order.push_back(node->graph);
  auto& entries = recorded.entries[node->graph];
  const auto same = std::find_if(entries.begin(), entries.end(), [&](const Recorded::Entry& entry) {
    return entry.kind == node->kind && entry.name == node->name;
  });
  if (same == entries.end()) {
    entries.push_back({node->kind, node->name, node->own, 1});
  } else {
    ++same->count;
  }
}

}  // namespace

int epoch(const Options& options) {
  rdrop::Device& device = cuda_device(options);
  Training training = make_training(options, device);
  const bool paper = options.text("model", "small") == "paper";
  const auto batches = paper ? epoch_batches(options, training.model->config())
                             : small_batches(options.number("batches", 20), training.model->config());
  const auto start = Clock::now();
  long failed = 0;
  std::string failure;
  for (long pass = 0; pass < options.number("passes", 2); ++pass) {
    for (const auto& batch : batches) {
      try {
        training.trainer->step({batch});
      } catch (const rdrop::Error& error) {
        if (failed++ == 0) failure = std::string(rdrop::name_of(error.code())) + ": " + error.what();
      }
    }
  }
  const rdrop::StepMetrics metrics = training.trainer->metrics();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  Recorded recorded;
  mock_nodes(add, &recorded);
  size_t least = 0, most = 0;
  const void* largest = nullptr;
  for (const auto& [graph, count] : recorded.sizes) {
    if (least == 0 || count < least) least = count;
    if (count > most) {
      most = count;
      largest = graph;
    }
  }
  size_t in_use = 0, peak = 0;
  mock_memory(0, &in_use, &peak);
  const auto broken = violations();
  std::printf(
      "{\"batches\":%zu,\"seconds\":%.3f,\"loss\":%.17g,\"tokens\":%lld,\"failed\":%ld,\"failure\":%s,\"graphs\":%lld,"
      "\"shapesWithoutGraph\":%lld,\"graphFallbackReason\":%s,\"peakBytes\":%zu,\"leastNodes\":%zu,\"mostNodes\":%zu,"
      "\"violations\":%s",
      batches.size(), seconds, metrics.sums.loss, static_cast<long long>(metrics.sums.tokens), failed,
      json_text(failure).c_str(), static_cast<long long>(metrics.graphs),
      static_cast<long long>(metrics.shapes_without_graph), json_text(metrics.graph_fallback_reason).c_str(), peak,
      least, most, json_list(broken).c_str());
  if (options.number("nodes", 0) && largest) {
    std::printf(",\"nodes\":[");
    bool first = true;
    for (const auto& entry : recorded.entries[largest]) {
      std::printf("%s\n{\"kind\":\"%s\",\"name\":%s,\"own\":%s,\"count\":%zu}", first ? "" : ",", entry.kind.c_str(),
                  json_text(entry.name).c_str(), entry.own ? "true" : "false", entry.count);
      first = false;
    }
    std::printf("]");
  }
  std::printf("}\n");
  return broken.empty() && failed == 0 ? 0 : 1;
}

}  // namespace cuda_mock::driver
