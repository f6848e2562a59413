// Beam search's own kernels: a block a row finds candidates, a block a sentence chooses among those of its rows.
#include "device/launch.h"
#include "device/reduce.h"
#include "model/config.h"
#include "ops/beam_search/beam_search_kernel.h"
#include "core/dropout_block.h"

namespace rdrop {
namespace {

using namespace portable;

constexpr int kCandidateThreads = 256;
constexpr int kAdvanceThreads = 128;

struct BeginKernel {
  static constexpr int max_threads = 256;
  BeamSearchState s;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    if (block.index() == 0 && block.thread() == 0) {
      *s.length = *s.not_finite = 0;
      *s.done = *s.arrived = 0;
    }
    const int64_t row = block.index() * block.threads() + block.thread();
    if (row >= s.sentences * s.beam) return;
    const int64_t sentence = row / s.beam;
    const bool first = row % s.beam == 0;
    s.live[row] = first && s.longest[sentence] >= 0;
    s.tokens[row] = kEos;
    s.positions[row] = kPad + 1;
    s.sums[row] = 0;
    if (first) s.finished_count[sentence] = 0;
  }
};

/// Orders logits, larger ones first and the smaller token at a tie: the larger key is the better one, 0 is none.
RDROP_INLINE uint64_t key_of(float logit, int64_t token) {
  const float x = logit + 0.0f;  // -0 is 0
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  const uint32_t ordered = bits >> 31 ? ~bits : bits | 0x80000000u;
  return uint64_t(ordered) << 32 | uint32_t(0xffffffffu - uint32_t(token));
}

RDROP_INLINE int32_t token_of(uint64_t key) {
  return int32_t(0xffffffffu - uint32_t(key));
}

/// Every thread holds the best of its columns that is not chosen yet; the block's best is chosen, and the one thread
/// whose column that was looks through its columns again.
struct CandidatesKernel {
  static constexpr int max_threads = kCandidateThreads;
  static constexpr size_t shared_bytes = kCandidateThreads / 32 * sizeof(double);
  BeamSearchState s;
  const float* logits;  // [R,V]
  int64_t classes;

  /// Calls visit(logit, token) for the columns of this thread.
  template <class Block, class Visit>
  RDROP_INLINE void visit_columns(Block& block, const float* row, Visit visit) const {
    const bool whole = classes % 4 == 0;
    for (int64_t first = 4 * block.thread(); first < classes; first += 4 * block.threads()) {
      const int count = classes - first < 4 ? int(classes - first) : 4;
      float x[4];
      load_four(row + first, whole, count, x);
      for (int i = 0; i < count; ++i) visit(x[i], first + i);
    }
  }

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const int64_t row = block.index();
    if (!s.live[row]) return;
    const float* x = logits + row * classes;
    const int32_t length = *s.length;
    const bool only_eos = length >= s.longest[row / s.beam], eos = length >= s.min_length;
    const auto key = [&](float logit, int64_t token) {
      return token == kPad || (token == kEos && !eos) ? uint64_t{0} : key_of(logit, token);
    };

    float largest = -__builtin_huge_valf(), total = 0;  // Σ exp(logit - largest) of this thread
    uint64_t best = 0;
    visit_columns(block, x, [&](float logit, int64_t token) {
      if (logit > largest) {
        total = total * __builtin_expf(largest - logit) + 1;
        largest = logit;
      } else if (logit != -__builtin_huge_valf()) {
        total += __builtin_expf(logit - largest);  // NaN where the logit is
      }
      best = Larger{}(best, key(logit, token));
    });
    const float top = block_reduce(block, largest, Larger{}, reinterpret_cast<float*>(block.shared()));
    const double part = total == 0 ? 0.0 : double(total) * __builtin_exp(double(largest) - double(top));
    const double sum = block_reduce(block, part, Plus{}, reinterpret_cast<double*>(block.shared()));
    const double log_sum = double(top) + __builtin_log(sum);

    const int64_t count = 2 * s.beam;
    double* sums = s.candidate_sums + row * count;
    int32_t* tokens = s.candidate_tokens + row * count;
    if (!(log_sum - log_sum == 0)) {  // infinite or NaN
      if (block.thread() == 0) {
        tokens[0] = -1;
        if (*s.not_finite == 0) *s.not_finite = length + 1;
      }
      return;
    }
    if (only_eos) {
      if (block.thread() == 0) {
        sums[0] = s.sums[row] + (double(x[kEos]) - log_sum);
        tokens[0] = kEos;
        tokens[1] = -1;
      }
      return;
    }
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t chosen = block_reduce(block, best, Larger{}, reinterpret_cast<uint64_t*>(block.shared()));
      if (block.thread() == 0) {
        tokens[i] = chosen ? token_of(chosen) : -1;
        if (chosen) sums[i] = s.sums[row] + (double(x[token_of(chosen)]) - log_sum);
      }
      if (!chosen) return;
      if (best != chosen) continue;
      best = 0;
      visit_columns(block, x, [&](float logit, int64_t token) {
        const uint64_t other = key(logit, token);
        if (other < chosen) best = Larger{}(best, other);
      });
    }
  }
};

/// The first warp merges the rows' candidates, each row's being in order; its first thread applies the rule; then all
/// threads write the ancestors of the rows that go on.
struct AdvanceKernel {
  static constexpr int max_threads = kAdvanceThreads;
  BeamSearchState s;

  static size_t shared_bytes(int64_t beam) { return size_t(beam) * (2 * sizeof(double) + 6 * sizeof(int32_t)) + 16; }

  /// What the block has in shared memory.
  struct Shared {
    double* sum;      // [2W] of the chosen candidates, best first
    int32_t* beam;    // [2W]
    int32_t* token;   // [2W]
    int32_t* head;    // [W] candidates taken of each row, by the lane that looks after it
    int32_t* parent;  // [W] of the rows that go on
    int32_t* going;   // [1] how many those are
  };

  template <class Block>
  RDROP_INLINE Shared shared_of(Block& block) const {
    double* sum = reinterpret_cast<double*>(block.shared());
    int32_t* beam = reinterpret_cast<int32_t*>(sum + 2 * s.beam);
    return {sum, beam, beam + 2 * s.beam, beam + 4 * s.beam, beam + 5 * s.beam, beam + 6 * s.beam};
  }

  /// The 2W best of all candidates; at a tie the earlier beam's, whose own are in order. Returns how many there are.
  template <class Block>
  RDROP_INLINE int merge(Block& block, const Shared& m, int64_t first) const {
    const int lane = block.thread(), width = int(s.beam), count = 2 * width;
    for (int beam = lane; beam < width; beam += 32) m.head[beam] = s.live[first + beam] ? 0 : count;
    for (int i = 0; i < count; ++i) {
      double sum = 0;
      int beam = width;  // none
      for (int b = lane; b < width; b += 32) {
        const int64_t at = (first + b) * count + m.head[b];
        if (m.head[b] == count || s.candidate_tokens[at] < 0) continue;
        if (beam == width || s.candidate_sums[at] > sum) {
          sum = s.candidate_sums[at];
          beam = b;
        }
      }
      for (int mask = 16; mask > 0; mask >>= 1) {
        const double other_sum = block.shuffle_xor(sum, mask);
        const int other = block.shuffle_xor(beam, mask);
        if (other < width && (beam == width || other_sum > sum || (other_sum == sum && other < beam))) {
          sum = other_sum;
          beam = other;
        }
      }
      if (beam == width) return i;
      if (beam % 32 == lane) {
        const int32_t token = s.candidate_tokens[(first + beam) * count + m.head[beam]++];
        m.sum[i] = sum;
        m.beam[i] = beam;
        m.token[i] = token;
      }
    }
    return count;
  }

  /// One thread: finishes hypotheses and fills the rows of the next step.
  template <class Block>
  RDROP_INLINE void choose(Block& block, const Shared& m, int64_t sentence, int count, int32_t length) const {
    const int64_t first = sentence * s.beam, rows = s.sentences * s.beam;
    int32_t finished = s.finished_count[sentence], going = 0;
    for (int i = 0; i < count && going < s.beam; ++i) {
      const int32_t parent = int32_t(first) + m.beam[i];
      if (m.token[i] == kEos) {
        if (i < s.beam && finished < s.beam) {
          const int64_t at = sentence * s.beam + finished++;
          s.finished_length[at] = length;
          s.finished_row[at] = parent;
          s.finished_sum[at] = m.sum[i];
        }
        continue;
      }
      const int64_t row = first + going, at = length * rows + row;
      s.tokens[row] = s.token_history[at] = m.token[i];
      s.sums[row] = s.sum_history[at] = m.sum[i];
      s.parent_history[at] = m.parent[going++] = parent;
      s.positions[row] = kPad + 1 + length + 1;
    }
    s.finished_count[sentence] = finished;
    if (finished == s.beam || length >= s.longest[sentence]) going = 0;
    for (int b = 0; b < s.beam; ++b) s.live[first + b] = b < going;
    if (going == 0) block.ticket(s.done);
    *m.going = going;
  }

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    const int64_t sentence = block.index(), first = sentence * s.beam, rows = s.sentences * s.beam;
    const int32_t length = *s.length;
    const bool open = s.live[first] != 0;
    block.barrier();  // before the first thread changes what the others have just read
    if (open) {
      const Shared m = shared_of(block);
      if (block.thread() < 32) {
        const int count = merge(block, m, first);
        block.warp_barrier();
        if (block.thread() == 0) choose(block, m, sentence, count, length);
      }
      block.barrier();
      const int32_t* from = s.ancestors + length % 2 * s.capacity * rows;
      int32_t* to = s.ancestors + (1 - length % 2) * s.capacity * rows;
      const int32_t going = *m.going;
      for (int32_t i = block.thread(); i < (length + 1) * going; i += block.threads()) {
        const int64_t position = i / going * rows;
        const int32_t parent = m.parent[i % going];
        to[position + first + i % going] = i / going == length ? parent : from[position + parent];
      }
    }
    if (block.thread() == 0 && block.ticket(s.arrived) + 1 == block.count()) {
      *s.arrived = 0;
      *s.length = length + 1;
    }
  }
};

void begin(const BeamSearchState& state, void* stream) {
  launch(BeginKernel{state}, {(state.sentences * state.beam + 255) / 256, 256}, stream);
}

void candidates(const BeamSearchState& state, const float* logits, int64_t classes, void* stream) {
  const int64_t needed = (classes + 127) / 128 * 32;  // four columns a thread
  launch(CandidatesKernel{state, logits, classes},
         {state.sentences * state.beam, int(needed < kCandidateThreads ? needed : kCandidateThreads),
          CandidatesKernel::shared_bytes},
         stream);
}

void advance(const BeamSearchState& state, void* stream) {
  launch(AdvanceKernel{state}, {state.sentences, kAdvanceThreads, AdvanceKernel::shared_bytes(state.beam)}, stream);
}

}  // namespace

const BeamSearchLaunchers& beam_search_launchers() {
  static constexpr BeamSearchLaunchers table = {begin, candidates, advance};
  return table;
}

}  // namespace rdrop
