// The fused loss on a device: one block a target position, both of its rows or the one that there is. N positions, V
// classes; letters of rdrop_loss_terms.h.
//
// Sweep 1 takes the power form's sums of each thread's share of the rows, sweep 2 writes both gradients. Rows that fit
// stay in registers between the two, as they are stored, so that each logit is read from memory once; longer rows are
// read again. Between the sweeps one warp adds up the block's sums in double and finishes the losses. A position whose
// sums are not finite or not safe takes the log-softmax form, in double. The block that finishes last adds up the
// positions' losses in a fixed order.
#include <type_traits>

#include "device/launch.h"
#include "ops/rdrop_loss/rdrop_loss_fallback.h"
#include "ops/rdrop_loss/rdrop_loss_row.h"

namespace rdrop {
namespace {

using namespace portable;

/// Beyond this a product of sweep 2 might overflow.
constexpr double kBound = 1e12;
constexpr double kMostScale = 1e9;
/// Natural logarithms in one y.
constexpr double kUnit = 1 / double(factor);

struct WarpSums {
  float offset1, offset2, count;
  PowerSums<float> sums;
};

/// How sweep 2 goes: in the power form; in the log-softmax form; or the same value everywhere.
enum class Sweep : int32_t { power, log_softmax, constant };

struct Outcome {
  Sweep sweep;
  float value;  ///< where it is constant
  float offset[2];
  float target[2];  ///< the target's gradients
  GradientTerms<float> terms;
};

template <int warps>
struct SharedMemory {
  WarpSums sums[warps];
  LossWeights weights;  ///< of the position
  PassSums passes[2];
  double logits;
  PowerLosses losses;
  GradientTerms<double> terms;
  double targets[2];  ///< gradients of the target
  Outcome outcome;
  RdropLossRow row;
  double scratch[warps];
  bool last;
};

/// The last block adds the positions' losses to the sums.
template <class Block, typename T>
RDROP_INLINE void add_up(Block& block, const RdropLossOnDevice<T>& a, double* scratch) {
  double cross_entropy = 0, nll = 0, kl = 0, tokens = 0, faults = 0;
  double first = -__builtin_inf();  // negative, so that the smallest position is the largest
  for (int64_t n = block.thread(); n < block.count(); n += block.threads()) {
    const RdropLossRow row = a.rows[n];
    cross_entropy += row.cross_entropy;
    nll += row.nll;
    kl += row.kl;
    tokens += row.counted;
    if (row.fault == fault_none) continue;
    faults += 1;
    first = Larger{}(first, -double(n));
  }
  const auto total = [&](double& sum) { sum = block_reduce(block, sum, Plus{}, scratch); };
  total(cross_entropy), total(nll), total(kl), total(tokens), total(faults);
  first = -block_reduce(block, first, Larger{}, scratch);
  if (block.thread() != 0) return;
  DeviceLossSums& sums = *a.sums;
  sums.cross_entropy += cross_entropy;
  sums.nll += nll;
  sums.kl += kl;
  sums.weighted_kl += a.alpha_factor ? kl * *a.alpha_factor : kl;
  sums.tokens += tokens;
  sums.faults += int64_t(faults);
  if (faults > 0) {
    const int64_t n = int64_t(first), position = a.first_position + n;
    if (sums.first.kind == fault_none || position < sums.first.position) {
      sums.first = {position, LossFault(a.rows[n].fault)};
    }
  }
  *a.blocks_done = 0;
}

/// groups: of a thread and row, in registers; 0: rows are read twice. whole: see Share. pair: both passes with their
/// gradients, or one pass, whose gradient is written where gradient1 is not null.
template <typename T, bool whole, int threads, int groups, bool pair>
struct LossKernel {
  static constexpr int max_threads = threads;
  /// Blocks of a multiprocessor, which the registers must allow.
  static constexpr int min_blocks = threads > 256 ? 1 : groups <= (std::is_same_v<T, Half> ? 3 : 5) ? 3 : 2;
  using Memory = SharedMemory<threads / 32>;
  using RowShare = Share<T, whole, threads>;
  RdropLossOnDevice<T> a;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    Memory& shared = *reinterpret_cast<Memory*>(block.shared());
    const RowPair<T> rows = rows_of(block);
    const RowShare share(block.thread(), a.classes);

    // Every load is under way before the first is waited for, the target's too.
    Group kept1[groups + 1], kept2[groups + 1];
    RDROP_UNROLL
    for (int i = 0; i < groups; ++i) {
      if (i < share.groups()) kept1[i] = share.load(rows.z1, i), kept2[i] = share.load(rows.z2, i);
    }
    const int32_t target = a.targets[block.index()];
    const bool is_class = target >= 0 && target < a.classes;
    if (block.thread() == 0) shared.weights = weights_of(target);
    // The target's logits, before a gradient overwrites them.
    if (block.thread() < (pair ? 2 : 1)) {
      shared.passes[block.thread()].target = is_class ? to_float((block.thread() ? rows.z2 : rows.z1)[target]) : 0;
    }

    ShareSums<T, pair> sums(to_float(rows.z1[0]), pair ? to_float(rows.z2[0]) : 0);
    for_each_group(share, [&](int i) {
      const Group group1 = groups > 0 ? kept1[i] : share.load(rows.z1, i);
      const Group group2 = groups > 0 ? kept2[i] : pair ? share.load(rows.z2, i) : Group{};
      if (whole || share.count(i) == RowShare::elements) {
        sums.template add<true>(group1, group2, RowShare::elements, i * RowShare::elements);
      } else {
        sums.template add<false>(group1, group2, share.count(i), i * RowShare::elements);
      }
    });
    warp_sums(block, sums, float(share.count()), shared);
    block.barrier();
    if (block.thread() < 32) conclude(block, shared);
    block.barrier();
    sweep2(block, share, kept1, kept2, shared);
    block.barrier();
    if (shared.last) add_up(block, a, shared.scratch);
  }

 private:
  RDROP_ALWAYS_INLINE bool wants_gradient() const { return pair || a.gradient1; }

  RDROP_INLINE LossWeights weights_of(int32_t target) const {
    LossWeights own = target >= 0 && target < a.classes ? weights_at(a.weights, target) : a.weights;
    if (a.alpha_factor) own.alpha *= *a.alpha_factor;
    return own;
  }

  template <class Block>
  RDROP_ALWAYS_INLINE RowPair<T> rows_of(const Block& block) const {
    const int64_t start = block.index() * a.classes;
    if constexpr (!pair) return {a.logits1 + start, nullptr, a.gradient1 ? a.gradient1 + start : nullptr, nullptr};
    return {a.logits1 + start, a.logits2 + start, a.gradient1 + start, a.gradient2 + start};
  }

  template <class Block>
  RDROP_ALWAYS_INLINE void sweep2(Block& block, const RowShare& share, const Group* kept1, const Group* kept2,
                                  Memory& shared) const {
    const RowPair<T> rows = rows_of(block);
    const int32_t target = a.targets[block.index()];
    if (shared.outcome.sweep == Sweep::log_softmax) {
      const RdropLossRow row =
          fallback_position<pair>(block, rows, shared.weights, a.classes, target, gradient_scale(), shared.scratch);
      if (block.thread() == 0) shared.row = row;
      hand_in(block, shared);
    } else {
      hand_in(block, shared);
      if (wants_gradient()) {
        const Outcome outcome = shared.outcome;
        for_each_group(share, [&](int i) {
          const Group group1 = groups > 0 ? kept1[i] : share.load(rows.z1, i);
          const Group group2 = groups > 0 ? kept2[i] : pair ? share.load(rows.z2, i) : Group{};
          write(share, rows, i, group1, group2, outcome);
        });
        // The thread that stored the target's group puts its two elements right.
        if (outcome.sweep == Sweep::power && block.thread() == RowShare::owner(target)) {
          assign(rows.g1[target], shared.outcome.target[0]);
          if constexpr (pair) assign(rows.g2[target], shared.outcome.target[1]);
        }
      }
    }
  }

  RDROP_INLINE float gradient_scale() const { return a.gradient_scale ? *a.gradient_scale : 1; }

  /// Hands in the position's losses; returns whether every other position's were before.
  template <class Block>
  RDROP_INLINE void hand_in(Block& block, Memory& shared) const {
    if (block.thread() != 0) return;
    a.rows[block.index()] = shared.row;
    shared.last = block.ticket(a.blocks_done) + 1 == uint32_t(block.count());
  }

  template <class Body>
  RDROP_ALWAYS_INLINE static void for_each_group(const RowShare& share, Body body) {
    if constexpr (groups > 0) {
      RDROP_UNROLL
      for (int i = 0; i < groups; ++i) {
        if (i < share.groups()) body(i);
      }
    } else {
      for (int i = 0; i < share.groups(); ++i) body(i);
    }
  }

  template <class Block>
  RDROP_INLINE static void warp_sums(Block& block, ShareSums<T, pair>& own, float count, Memory& shared) {
    own.raise(warp_reduce(block, own.offset1, Larger{}), warp_reduce(block, own.offset2, Larger{}), count);
    const PowerSums<float>& s = own.sums;
    const WarpSums all{
        own.offset1,
        own.offset2,
        warp_reduce(block, count, Plus{}),
        {warp_reduce(block, s.e1, Plus{}), warp_reduce(block, s.e2, Plus{}), warp_reduce(block, s.gap1, Plus{}),
         warp_reduce(block, s.gap2, Plus{}), warp_reduce(block, s.y, Plus{})}};
    if (block.thread() % 32 == 0) shared.sums[block.thread() / 32] = all;
  }

  /// The first warp finishes the losses and decides on sweep 2.
  template <class Block>
  RDROP_INLINE void conclude(Block& block, Memory& shared) const {
    const bool has_sums = block.thread() < block.threads() / 32;
    WarpSums own = shared.sums[has_sums ? block.thread() : 0];
    if (!has_sums) own.count = 0, own.sums = {};
    const float offset1 = warp_reduce(block, own.offset1, Larger{}),
                offset2 = warp_reduce(block, own.offset2, Larger{});
    const float down1 = own.offset1 - offset1, down2 = own.offset2 - offset2;
    PowerSums<double> sums{own.sums.e1, own.sums.e2, own.sums.gap1, own.sums.gap2, 0};
    sums.lower(down1, down2, power_of_two(down1), power_of_two(down2));
    // y relative to each warp's own offsets, and those.
    const double both = pair ? double(own.offset1) + double(own.offset2) : double(own.offset1);
    // Everything goes through shared memory at once, for registers are full of logits.
    PassSums *const one = &shared.passes[0], *const two = &shared.passes[1];
    const bool first = block.thread() == 0;
    const auto total = [&](double value, double* to) {
      value = warp_reduce(block, value, Plus{});
      if (first) *to = value;
    };
    total(own.sums.y + own.count * both, &shared.logits);
    total(sums.e1, &one->e);
    total(sums.e2, &two->e);
    total(sums.gap1, &one->gap);
    total(sums.gap2, &two->gap);
    if (first) {
      one->reference = offset1 * kUnit, two->reference = offset2 * kUnit;
      shared.outcome.offset[0] = offset1, shared.outcome.offset[1] = offset2;
    }
    block.warp_barrier();
    if (block.thread() < 2) shared.passes[block.thread()].complete();
    block.warp_barrier();
    if (first) {
      if constexpr (!pair) *two = *one;  // nothing of it counts, but it is finite
      power_losses(shared.weights, a.classes, pair, *one, *two, shared.logits * kUnit, kUnit, two->log_e - one->log_e,
                   kBound, &shared.losses);
    }
    block.warp_barrier();
    if (first && wants_gradient()) {
      power_gradients(shared.weights, a.classes, *one, *two, kUnit, shared.losses, &shared.terms, &shared.targets[0],
                      &shared.targets[1]);
    }
    block.warp_barrier();
    if (first) decide(a.targets[block.index()], shared);
  }

  /// Whether the gradients are differences of numbers too large for float32 to leave the digits that T holds.
  RDROP_INLINE static bool cancels(const LossWeights& weights, const PowerLosses& losses) {
    const double most = sizeof(T) == sizeof(float) ? 64 : 16384;
    return !(weights.alpha * weights.forward_weight * magnitude(losses.d12) < most &&
             weights.alpha * weights.reverse_weight * magnitude(losses.d21) < most);
  }

  RDROP_INLINE void decide(int32_t target, Memory& shared) const {
    const double scale = gradient_scale();
    Outcome& outcome = shared.outcome;
    outcome.value = 0;
    if (target == a.ignore_index) {
      outcome.sweep = Sweep::constant;
      shared.row = {};
    } else if (target < 0 || target >= a.classes) {
      outcome.sweep = Sweep::constant, outcome.value = __builtin_nanf("");
      shared.row = {0, 0, 0, fault_target, 0};
    } else if (!shared.losses.safe || !(magnitude(scale) < kMostScale) || cancels(shared.weights, shared.losses)) {
      outcome.sweep = Sweep::log_softmax;
    } else {
      const GradientTerms<double>& g = shared.terms;
      outcome.sweep = Sweep::power;
      outcome.terms = {float(scale * g.a1), float(scale * g.b1), float(scale * g.c1), float(scale * g.a2),
                       float(scale * g.b2), float(scale * g.c2), float(scale * g.s)};
      outcome.target[0] = float(scale * shared.targets[0]), outcome.target[1] = float(scale * shared.targets[1]);
      shared.row = shared.losses.row;
    }
  }

  /// Sweep 2 of a group.
  RDROP_ALWAYS_INLINE static void write(const RowShare& share, const RowPair<T>& rows, int i, const Group& group1,
                                        const Group& group2, const Outcome& outcome) {
    constexpr int elements = RowShare::elements;
    float y1[elements], y2[elements], g1[elements], g2[elements];
    ShareSums<T, pair>::template exponents<true>(group1, outcome.offset[0], elements, y1);
    if constexpr (pair) ShareSums<T, pair>::template exponents<true>(group2, outcome.offset[1], elements, y2);
    RDROP_UNROLL
    for (int j = 0; j < elements; ++j) {
      if constexpr (pair) {
        outcome.terms.template gradients<true, true>(fast_exp2(y1[j]), fast_exp2(y2[j]), y1[j] - y2[j], &g1[j], &g2[j]);
      } else {
        g1[j] = fma(fast_exp2(y1[j]), outcome.terms.a1, outcome.terms.s), g2[j] = 0;
      }
      if (outcome.sweep == Sweep::constant) g1[j] = g2[j] = outcome.value;
    }
    share.store(rows.g1, i, pack<T>(g1));
    if constexpr (pair) share.store(rows.g2, i, pack<T>(g2));
  }
};

template <typename T, bool whole, int threads, int groups, bool pair>
void start(const RdropLossOnDevice<T>& a, int64_t positions, void* stream) {
  using Kernel = LossKernel<T, whole, threads, groups, pair>;
  // Threads beyond a short row's last group or element would have nothing to do.
  const int64_t units = whole ? a.classes / group_elements<T> : a.classes;
  const int used = units < threads ? int(units + 31) / 32 * 32 : threads;
  launch(Kernel{a}, {positions, used, sizeof(typename Kernel::Memory)}, stream);
}

/// Starts the kernel with the fewest groups a thread that holds the rows: `groups` or one of the rest.
template <typename T, bool whole, int groups, int... rest>
void start_fitting(const RdropLossOnDevice<T>& a, int64_t positions, void* stream) {
  if (a.classes <= int64_t(256) * groups * group_elements<T>)
    return start<T, whole, 256, groups, true>(a, positions, stream);
  if constexpr (sizeof...(rest) > 0) {
    start_fitting<T, whole, rest...>(a, positions, stream);
  } else if (a.classes <= int64_t(512) * 8 * group_elements<T>) {
    start<T, whole, 512, 8, true>(a, positions, stream);
  } else {
    start<T, whole, 256, 0, true>(a, positions, stream);
  }
}

/// Whether every row is made of whole groups on their boundary.
template <typename T>
bool whole_groups(const RdropLossOnDevice<T>& a) {
  const auto ends = [](const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); };
  return (ends(a.logits1) | ends(a.logits2) | ends(a.gradient1) | ends(a.gradient2) |
          uintptr_t(a.classes) * sizeof(T)) %
             sizeof(Group) ==
         0;
}

template <typename T>
void loss(const RdropLossOnDevice<T>& a, int64_t positions, void* stream) {
  if (whole_groups(a)) return start_fitting<T, true, 1, 2, 3, 5, 7, 10>(a, positions, stream);
  start_fitting<T, false, 3, 7>(a, positions, stream);
}

template <typename T>
void cross_entropy(const RdropLossOnDevice<T>& a, int64_t positions, void* stream) {
  if (!whole_groups(a)) return start<T, false, 256, 0, false>(a, positions, stream);
  // Losses alone read the row once as it is.
  const int64_t groups = a.gradient1 ? (a.classes / group_elements<T> + 255) / 256 : 0;
  if (groups > 7 || groups == 0) return start<T, true, 256, 0, false>(a, positions, stream);
  if (groups <= 3) return start<T, true, 256, 3, false>(a, positions, stream);
  start<T, true, 256, 7, false>(a, positions, stream);
}

/// One block.
struct CountKernel {
  static constexpr int max_threads = 256;
  const int32_t* targets;
  int64_t positions, ignore_index;
  double* count;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    int32_t own = 0;
    for (int64_t n = block.thread(); n < positions; n += block.threads()) own += targets[n] != ignore_index;
    own = block_reduce(block, own, Plus{}, reinterpret_cast<int32_t*>(block.shared()));
    if (block.thread() == 0) *count = double(own);
  }
};

void count(const int32_t* targets, int64_t positions, int64_t ignore_index, double* count, void* stream) {
  launch(CountKernel{targets, positions, ignore_index, count}, {1, 256, 8 * sizeof(int32_t)}, stream);
}

}  // namespace

template <typename T>
const RdropLossLaunchers<T>& rdrop_loss_launchers() {
  static constexpr RdropLossLaunchers<T> table = {loss<T>, cross_entropy<T>, count};
  return table;
}
template const RdropLossLaunchers<float>& rdrop_loss_launchers<float>();
template const RdropLossLaunchers<Bfloat16>& rdrop_loss_launchers<Bfloat16>();
template const RdropLossLaunchers<Half>& rdrop_loss_launchers<Half>();

}  // namespace rdrop
