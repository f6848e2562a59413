// The vectorized body of the fused loss: the scalar body's results from two sweeps over a pair of rows.
//
// It computes the power form of rdrop_loss_terms.h. Sweep 1 keeps the reference near the pass's largest logit so far:
// when a chunk exceeds it by more than `slack`, the sums are rescaled and the chunk is done again, so that no sweep is
// spent on finding the largest logit. The e of one pair of rows stay in the cache (`scratch`), for exponentials are
// most of the arithmetic. Sweep 2 reads the rows again, from the cache too, and writes both gradients. Sums are kept in
// lanes of the logits' type over a chunk and added up in double. A pair whose sums are not finite (NaN, infinity, or
// numbers near the type's limit) goes to the scalar body. Sweep 2 of one pair and sweep 1 of the next alternate chunk
// by chunk, so that memory is read and written evenly while the arithmetic continues.
//
// One pass alone goes the same way without a direction: its row is taken for both of a pair, and what would be done
// twice is done once.
#include "simd/vector.h"

namespace rdrop::RDROP_ISA {
namespace {

/// Elements of a row between two promotions of the sums to double; a multiple of every number of lanes.
constexpr int64_t chunk_elements = 512;

/// Calls body(v, lanes) for the elements of a row's chunk. Whole vectors start `head` elements into the row.
template <class Vector, class Body>
[[gnu::always_inline]] inline void for_each_vector(int64_t chunk, int64_t head, int64_t classes, Body body) {
  int64_t v = head + chunk * chunk_elements, end = v + chunk_elements;
  if (end > classes) end = classes;
  if (chunk == 0 && head > 0) body(0, First{int(head)});
  for (; v + Vector::lanes <= end; v += Vector::lanes) body(v, All{});
  if (v < end) body(v, First{int(end - v)});
}

/// Elements of a row of gradients before the first one that lies on a vector's boundary. By the number of its address:
/// there may be no gradient, and no row before the first.
template <class Vector, class Element>
int64_t elements_to_boundary(const void* gradient, int64_t row, int64_t classes) {
  const uintptr_t address =
      reinterpret_cast<uintptr_t>(gradient) + uintptr_t(row) * uintptr_t(classes) * sizeof(Element);
  const int64_t head = int64_t(-address % (Vector::lanes * sizeof(Element)) / sizeof(Element));
  return head < classes ? head : 0;
}

/// y of a logit. Both constants are rounded to the logits' type; `reference` is the logit that they exactly send to 0.
template <class Vector>
struct Exponent {
  using Scalar = typename Vector::Scalar;
  static constexpr Scalar factor = Scalar(log2_of_e);
  Scalar offset;
  /// A reference too large is NaN, which sends the pair to the scalar body: rounding could keep y above the slack for
  /// ever.
  explicit Exponent(double y) : offset(Scalar(magnitude(y) < largest_offset ? y : __builtin_nan(""))) {}
  static Exponent of_logit(double z) { return Exponent(z * double(factor)); }
  double reference() const { return double(offset) / double(factor); }
  Vector operator()(Vector z) const { return fma(z, Vector(factor), Vector(Scalar(-offset))); }
};

/// Sweep 1 of a chunk: its sums, lane by lane.
template <class Element, bool forward, bool reverse>
struct ChunkSums {
  using Vector = VectorOf<Element>;
  using Scalar = typename Vector::Scalar;
  const Element *z1, *z2;
  Scalar *kept1, *kept2;
  Exponent<Vector> exponent1, exponent2;
  PowerSums<Vector> sums{Vector(Scalar(0)), Vector(Scalar(0)), Vector(Scalar(0)), Vector(Scalar(0)), Vector(Scalar(0))};
  /// Largest y of both passes.
  Vector largest_y{Scalar(0)};

  template <class Lanes>
  [[gnu::always_inline]] void add(int64_t v, Lanes lanes) {
    const Vector zero{Scalar(0)};
    const Vector y1 = choose(lanes, exponent1(load(lanes, z1 + v, zero)), zero);
    if constexpr (!forward && !reverse) {
      const Vector power = choose(lanes, exp2(y1), zero);
      largest_y = max(y1, largest_y);
      store(lanes, kept1 + v, power);
      sums.template add<false, false>(y1, y1, power, power);
      return;
    }
    const Vector y2 = choose(lanes, exponent2(load(lanes, z2 + v, zero)), zero);
    const Vector power1 = choose(lanes, exp2(y1), zero), power2 = choose(lanes, exp2(y2), zero);
    largest_y = max(max(y1, y2), largest_y);
    store(lanes, kept1 + v, power1), store(lanes, kept2 + v, power2);
    sums.template add<forward, reverse>(y1, y2, power1, power2);
  }
};

/// Sweep 1 of a pair of rows: sums over the chunks so far.
template <class Element, bool forward, bool reverse>
struct RowSums {
  using Vector = VectorOf<Element>;
  using Scalar = typename Vector::Scalar;
  using Chunk = ChunkSums<Element, forward, reverse>;
  const Element *z1, *z2;
  /// [V] each: e of the chunks so far.
  Scalar *kept1, *kept2;
  Exponent<Vector> exponent1, exponent2;
  PowerSums<Doubles> sums{Doubles(0.), Doubles(0.), Doubles(0.), Doubles(0.), Doubles(0.)};
  /// Sum of the offsets of y over both passes.
  double offsets = 0;

  RowSums(const Element* row1, const Element* row2, Scalar* scratch, int64_t classes)
      : z1(row1),
        z2(row2),
        kept1(scratch),
        kept2(scratch + classes),
        exponent1(Exponent<Vector>::of_logit(to_double(row1[0]))),
        exponent2(Exponent<Vector>::of_logit(to_double(row2[0]))) {}

  double logits() const { return (sum(sums.y) + offsets) / double(Exponent<Vector>::factor); }
  Chunk start() const { return {z1, z2, kept1, kept2, exponent1, exponent2}; }
  static bool too_large(const Chunk& chunk) { return any_above(chunk.largest_y, Vector(Scalar(slack))); }

  void add(const Chunk& chunk, int64_t elements) {
    sums.e1 = sums.e1 + promote(chunk.sums.e1), sums.e2 = sums.e2 + promote(chunk.sums.e2);
    sums.gap1 = sums.gap1 + promote(chunk.sums.gap1), sums.gap2 = sums.gap2 + promote(chunk.sums.gap2);
    sums.y = sums.y + promote(chunk.sums.y);
    offsets += double(elements) * (double(exponent1.offset) + double(exponent2.offset));
  }

  /// Raises the references by y1 and y2 after `done` elements: e falls by a power of two, y1 - y2 by a constant.
  void raise(double y1, double y2, int64_t done) {
    const double offset1 = double(exponent1.offset), offset2 = double(exponent2.offset);
    exponent1 = Exponent<Vector>(offset1 + y1), exponent2 = Exponent<Vector>(offset2 + y2);
    const double down1 = offset1 - double(exponent1.offset), down2 = offset2 - double(exponent2.offset);
    const double factor1 = __builtin_exp2(down1), factor2 = __builtin_exp2(down2);
    sums.lower(Doubles(down1), Doubles(down2), Doubles(factor1), Doubles(factor2));
    for (int64_t v = 0; v < done; ++v) kept1[v] *= Scalar(factor1);
    if constexpr (forward || reverse) {
      for (int64_t v = 0; v < done; ++v) kept2[v] *= Scalar(factor2);
    }
  }
};

/// The coefficients of a pair's gradients and the rows they are written to.
template <class Element>
struct PairGradient {
  using Vector = VectorOf<Element>;
  const Element *z1, *z2;
  const typename Vector::Scalar *kept1, *kept2;
  Element *g1, *g2;
  Exponent<Vector> exponent1{0}, exponent2{0};
  GradientTerms<double> terms;
  /// The target and its two elements.
  int64_t target;
  double target1, target2;

  void write_target() const {
    assign(g1[target], target1);
    if (g2) assign(g2[target], target2);
  }
};

/// Sweep 2.
template <class Element, bool forward, bool reverse>
struct GradientWriter {
  using Vector = VectorOf<Element>;
  using Scalar = typename Vector::Scalar;
  const Element *z1, *z2;
  const Scalar *kept1, *kept2;
  Element *g1, *g2;
  Exponent<Vector> exponent1, exponent2;
  GradientTerms<Vector> terms;

  explicit GradientWriter(const PairGradient<Element>& g)
      : z1(g.z1),
        z2(g.z2),
        kept1(g.kept1),
        kept2(g.kept2),
        g1(g.g1),
        g2(g.g2),
        exponent1(g.exponent1),
        exponent2(g.exponent2),
        terms{Vector(Scalar(g.terms.a1)), Vector(Scalar(g.terms.b1)), Vector(Scalar(g.terms.c1)),
              Vector(Scalar(g.terms.a2)), Vector(Scalar(g.terms.b2)), Vector(Scalar(g.terms.c2)),
              Vector(Scalar(g.terms.s))} {}

  template <bool around_cache, class Lanes>
  [[gnu::always_inline]] void write(int64_t v, Lanes lanes) const {
    const Vector zero{Scalar(0)};
    if constexpr (!forward && !reverse) {
      put<around_cache>(lanes, g1 + v, fma(load(lanes, kept1 + v, zero), terms.a1, terms.s));
      return;
    }
    const Vector y1 = exponent1(load(lanes, z1 + v, zero)), y2 = exponent2(load(lanes, z2 + v, zero));
    const Vector e1 = load(lanes, kept1 + v, zero), e2 = load(lanes, kept2 + v, zero);
    Vector gradient1 = zero, gradient2 = zero;
    terms.template gradients<forward, reverse>(e1, e2, y1 - y2, &gradient1, &gradient2);
    put<around_cache>(lanes, g1 + v, gradient1);
    put<around_cache>(lanes, g2 + v, gradient2);
  }
};

/// Writes the row's losses and prepares sweep 2; false when the row had to go to the scalar body or needs no sweep 2.
template <class Element, bool forward, bool reverse>
bool finish_sums(const RdropLossArguments& a, int64_t n, const RowSums<Element, forward, reverse>& sums,
                 PairGradient<Element>* gradient) {
  using Vector = VectorOf<Element>;
  const int64_t classes = a.classes, y = a.targets[n];
  const PowerSums<Doubles>& lanes = sums.sums;
  PassSums one{sum(lanes.e1), sum(lanes.gap1), sums.exponent1.reference(), to_double(sums.z1[y]), 0, 0, 0};
  PassSums two{sum(lanes.e2), sum(lanes.gap2), sums.exponent2.reference(), to_double(sums.z2[y]), 0, 0, 0};
  one.complete(), two.complete();
  const double logits = a.logits2 ? sums.logits() : sums.logits() / 2;
  const double offset = log_of_2 * __builtin_log2(two.e / one.e);
  const double unit = 1 / double(Exponent<Vector>::factor);
  const LossWeights weights = weights_at(a.weights, y);
  PowerLosses losses;
  power_losses(weights, classes, a.logits2 != nullptr, one, two, logits, unit, offset, 1e30, &losses);
  if (!losses.safe) {
    rdrop_loss_scalar_row<Element>(a, n);
    return false;
  }
  a.rows[n] = losses.row;
  if (!a.gradient1) return false;

  PairGradient<Element>& g = *gradient;
  g.z1 = sums.z1, g.z2 = sums.z2, g.kept1 = sums.kept1, g.kept2 = sums.kept2;
  g.g1 = static_cast<Element*>(a.gradient1) + n * classes;
  g.g2 = a.gradient2 ? static_cast<Element*>(a.gradient2) + n * classes : nullptr;
  g.exponent1 = sums.exponent1, g.exponent2 = sums.exponent2;
  g.target = y;
  power_gradients(weights, classes, one, two, unit, losses, &g.terms, &g.target1, &g.target2);
  return true;
}

/// The two sweeps over rows begin..end.
template <class Element, bool forward, bool reverse>
struct Sweeps {
  using Vector = VectorOf<Element>;
  using Sums = RowSums<Element, forward, reverse>;
  using Writer = GradientWriter<Element, forward, reverse>;
  const RdropLossArguments& a;
  const int64_t classes = a.classes;

  /// Whole vectors of pair n's gradients start at a boundary. Sweep 1 of the pair after it starts there as well: its
  /// sums must not depend on where a thread's rows begin.
  int64_t head(int64_t n) const { return elements_to_boundary<Vector, Element>(a.gradient1, n, classes); }

  /// Sweep 1 of one pair with sweep 2 of the pair before, whose `gradient` may be null.
  template <bool around_cache>
  void both(Sums& sums, int64_t head, const PairGradient<Element>* gradient) {
    for (int64_t chunk = 0, begin = 0; begin < classes; ++chunk) {
      int64_t end = head + (chunk + 1) * chunk_elements;
      if (end > classes) end = classes;
      auto chunk_sums = sums.start();
      if (gradient) {
        const Writer writer(*gradient);
        for_each_vector<Vector>(
            chunk, head, classes, [&](int64_t v, auto lanes) __attribute__((always_inline)) {
              // What sweep 1 reads next comes from memory while these are computed.
              __builtin_prefetch(chunk_sums.z1 + v);
              __builtin_prefetch(chunk_sums.z2 + v);
              writer.template write<around_cache>(v, lanes);
            });
      }
      for_each_vector<Vector>(
          chunk, head,
          classes, [&](int64_t v, auto lanes) __attribute__((always_inline)) { chunk_sums.add(v, lanes); });
      while (sums.too_large(chunk_sums)) again(sums, chunk_sums, chunk, head, begin);
      sums.add(chunk_sums, end - begin);
      begin = end;
    }
  }

  /// Raises the references to a chunk's largest logits and does it again.
  [[gnu::noinline]] void again(Sums& sums, ChunkSums<Element, forward, reverse>& chunk_sums, int64_t chunk,
                               int64_t head, int64_t done) {
    const Vector zero{typename Vector::Scalar(0)};
    Vector y1 = zero, y2 = zero;
    for_each_vector<Vector>(
        chunk, head, classes, [&](int64_t v, auto lanes) __attribute__((always_inline)) {
          y1 = max(choose(lanes, sums.exponent1(load(lanes, sums.z1 + v, zero)), zero), y1);
          y2 = max(choose(lanes, sums.exponent2(load(lanes, sums.z2 + v, zero)), zero), y2);
        });
    sums.raise(double(largest(y1)), double(largest(y2)), done);
    chunk_sums = sums.start();
    for_each_vector<Vector>(
        chunk, head, classes, [&](int64_t v, auto lanes) __attribute__((always_inline)) { chunk_sums.add(v, lanes); });
  }

  /// Sweep 2 alone.
  template <bool around_cache>
  void last(int64_t head, const PairGradient<Element>& gradient) {
    const Writer writer(gradient);
    for (int64_t chunk = 0; chunk * chunk_elements < classes; ++chunk) {
      for_each_vector<Vector>(
          chunk, head, classes, [&](int64_t v, auto lanes) __attribute__((always_inline)) {
            writer.template write<around_cache>(v, lanes);
          });
    }
  }

  template <bool around_cache>
  void run(int64_t begin, int64_t end) {
    const Element* rows1 = static_cast<const Element*>(a.logits1);
    const Element* rows2 = a.logits2 ? static_cast<const Element*>(a.logits2) : rows1;
    PairGradient<Element> gradient;
    bool pending = false;  // Whether sweep 2 of the pair before is to be done.
    for (int64_t n = begin; n < end; ++n) {
      if (a.targets[n] == a.ignore_index) {
        if (pending) last<around_cache>(head(n - 1), gradient), gradient.write_target();
        pending = false;
        rdrop_loss_scalar_row<Element>(a, n);
        continue;
      }
      Sums sums(rows1 + n * classes, rows2 + n * classes, static_cast<typename Vector::Scalar*>(a.scratch), classes);
      both<around_cache>(sums, head(n - 1), pending ? &gradient : nullptr);
      if (pending) gradient.write_target();
      pending = finish_sums(a, n, sums, &gradient);
    }
    if (pending) last<around_cache>(head(end - 1), gradient), gradient.write_target();
  }
};

template <class Element, bool forward, bool reverse>
void rdrop_loss_vector_rows(const RdropLossArguments& a, int64_t begin, int64_t end) {
  using Vector = VectorOf<Element>;
  Sweeps<Element, forward, reverse> sweeps{a};
  constexpr uintptr_t bytes = Vector::lanes * sizeof(Element);
  const uintptr_t apart =
      a.gradient2 ? reinterpret_cast<uintptr_t>(a.gradient1) - reinterpret_cast<uintptr_t>(a.gradient2) : 0;
  if (!a.stream || apart % bytes != 0) return sweeps.template run<false>(begin, end);
  sweeps.template run<true>(begin, end);
  // Streamed stores are weakly ordered: they must be visible before another thread learns of the end.
  _mm_sfence();
}

template <class Element>
void rdrop_loss_vector(const RdropLossArguments& a, int64_t begin, int64_t end) {
  const bool forward = a.logits2 && a.weights.forward_weight != 0, reverse = a.logits2 && a.weights.reverse_weight != 0;
  if (forward && reverse) return rdrop_loss_vector_rows<Element, true, true>(a, begin, end);
  if (forward) return rdrop_loss_vector_rows<Element, true, false>(a, begin, end);
  if (reverse) return rdrop_loss_vector_rows<Element, false, true>(a, begin, end);
  return rdrop_loss_vector_rows<Element, false, false>(a, begin, end);
}

}  // namespace
}  // namespace rdrop::RDROP_ISA
