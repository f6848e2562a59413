// The candidates of beam search on the CPU: rows over threads.
#include "ops/beam_candidates/beam_candidates.h"

#include <algorithm>

#include "model/config.h"
#include "core/dispatch.h"

namespace rdrop {

void beam_candidates(const at::Tensor& logits, const std::vector<Follow>& follow, int64_t count,
                     Continuations& continuations) {
  const int64_t rows = logits.size(0), classes = logits.size(1), most = std::min(count, classes);
  continuations.count = most;
  continuations.log_sums.resize(rows);
  continuations.values.resize(rows * most);
  continuations.tokens.resize(rows * most);
  continuations.found.resize(rows);
  dispatch_floating(logits, [&](auto zero) {
    using T = decltype(zero);
    BeamCandidates<T> arguments{};
    arguments.logits = logits.const_data_ptr<T>();
    arguments.follow = follow.data();
    arguments.classes = classes;
    arguments.count = most;
    arguments.pad = kPad;
    arguments.eos = kEos;
    arguments.log_sums = continuations.log_sums.data();
    arguments.values = continuations.values.data();
    arguments.tokens = continuations.tokens.data();
    arguments.found = continuations.found.data();
    parallel_rows(rows, classes, [&](int64_t begin, int64_t end) {
      std::vector<T> scratch(beam_candidates_scratch(classes, most));
      BeamCandidates<T> mine = arguments;
      mine.scratch = scratch.data();
      kernels<BeamCandidatesKernels<T>>().candidates(mine, begin, end);
    });
  });
}

}  // namespace rdrop
