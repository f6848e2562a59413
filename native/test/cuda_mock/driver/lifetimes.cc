// Whether the memory that graphs use stays theirs: see commands.h.
#include <c10/cuda/CUDACachingAllocator.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "core/errors.h"
#include "test/cuda_mock/driver/commands.h"
#include "test/cuda_mock/driver/mock.h"
#include "test/cuda_mock/driver/training.h"

namespace cuda_mock::driver {
namespace {

using namespace rdrop;

/// Memory that libtorch's allocator has given out, or keeps for graphs.
struct Held {
  struct Span {
    const char *begin, *end;
  };
  std::vector<Span> spans;
  std::set<std::string> lost;  ///< names of nodes
  size_t pointers = 0;
};

std::vector<Held::Span> held_spans() {
  std::vector<Held::Span> spans;
  for (const auto& segment : c10::cuda::CUDACachingAllocator::snapshot().segments) {
    const bool of_graphs = segment.owner_private_pool_id != c10::cuda::MempoolId_t{0, 0};
    const auto* at = reinterpret_cast<const char*>(segment.address);
    for (const auto& block : segment.blocks) {
      if (of_graphs || block.allocated) spans.push_back({at, at + block.size});
      at += block.size;
    }
  }
  return spans;
}

void check(const void* pointer, const char* node, void* argument) {
  auto& held = *static_cast<Held*>(argument);
  ++held.pointers;
  const auto* at = static_cast<const char*>(pointer);
  const bool found = std::any_of(held.spans.begin(), held.spans.end(),
                                 [&](const Held::Span& span) { return at >= span.begin && at < span.end; });
  if (!found) held.lost.insert(node);
}

class Checks {
 public:
  void after(const char* what) {
    Held held;
    held.spans = held_spans();
    mock_graph_pointers(check, &held);
    std::printf("%s\n{\"after\":%s,\"pointers\":%zu,\"lost\":%s}", first_ ? "" : ",", json_text(what).c_str(),
                held.pointers, json_list({held.lost.begin(), held.lost.end()}).c_str());
    first_ = false;
    lost_ = lost_ || !held.lost.empty();
  }
  bool lost() const { return lost_; }

 private:
  bool first_ = true, lost_ = false;
};

}  // namespace

int lifetimes(const Options& options) {
  Device& device = cuda_device(options);
  Training training = make_training(options, device);
  const auto batches = small_batches(4, training.model->config());
  const auto train = [&](Trainer& trainer, size_t micro_batches, int updates) {
    for (int update = 0; update < updates; ++update) {
      trainer.step(std::vector<PackedBatch>(batches.begin(), batches.begin() + long(micro_batches)));
    }
    trainer.metrics();
  };
  std::printf("{\"checks\":[");
  Checks checks;
  train(*training.trainer, 1, 4);
  checks.after("training");
  try {
    beam_search(*training.model, batches[0].source, beam_options());
  } catch (const Error& error) {
    // Where nothing is computed no sentence ends.
    if (error.code() != ErrorCode::internal) throw;
  }
  checks.after("a validation with beam search");
  train(*training.trainer, 1, 2);
  train(*training.trainer, 3, 3);
  checks.after("another number of micro-batches");
  {
    Training second = make_training(options, device);
    train(*second.trainer, 1, 3);
    train(*training.trainer, 1, 3);
    checks.after("a second model");
  }
  train(*training.trainer, 1, 3);
  checks.after("the second model was disposed of");
  c10::cuda::CUDACachingAllocator::emptyCache();
  checks.after("the allocator gave back what it does not use");
  train(*training.trainer, 1, 2);
  const auto broken = violations();
  std::printf("],\"violations\":%s}\n", json_list(broken).c_str());
  return broken.empty() && !checks.lost() ? 0 : 1;
}

}  // namespace cuda_mock::driver
