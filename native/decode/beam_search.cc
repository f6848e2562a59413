// Beam search as fairseq/sequence_generator.py does it: of each sentence's 2·beam best continuations, those
// among the first `beam` that end in eos are finished, the first `beam` that do not end go on; a sentence is
// done when it has `beam` finished hypotheses or has reached its longest length. R rows (beam a sentence), V
// types.
#include "decode/beam_search.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/logsumexp.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "decode/beam_search_device.h"
#include "decode/incremental_decoder.h"
#include "decode/source_groups.h"
#include "errors.h"
#include "ops/dispatch.h"

namespace rdrop {
namespace {

/// Sentences that are decoded together: enough rows to fill a matrix product, few enough to stay in memory.
constexpr int64_t kGroupSentences = 128;
constexpr int64_t kGroupTokens = 4096;

/// A hypothesis that goes on: its tokens so far and the sum of log-probabilities after each.
struct Beam {
  std::vector<int32_t> tokens;
  std::vector<double> sums;
  int32_t row;  ///< in the decoder

  double sum() const { return sums.empty() ? 0 : sums.back(); }
};

struct Sentence {
  int32_t source;  ///< its place in the group
  int64_t max_length;
  std::vector<Beam> beams;
  std::vector<Hypothesis> finished;
};

struct Candidate {
  double sum;
  int32_t beam, token;
};

/// Order of candidates; ties go to the earlier beam, then to the smaller token, so that a search can be
/// repeated.
bool better(const Candidate& a, const Candidate& b) {
  if (a.sum != b.sum) return a.sum > b.sum;
  return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
}

/// Which tokens may follow at this length.
struct Allowed {
  bool eos, others;
};

Allowed allowed_at(int64_t length, const Sentence& sentence, const BeamOptions& options) {
  if (length >= sentence.max_length) return {true, false};
  return {length >= options.min_len, true};
}

/// The best `count` continuations of one row of logits [V], appended to `best`.
template <typename T>
void best_of_row(const T* logits, int64_t classes, double log_sum, double sum, int32_t beam, Allowed allowed,
                 size_t count, std::vector<Candidate>& best) {
  std::vector<Candidate> heap;  // its front is the worst of the best
  const auto offer = [&](int32_t token) {
    const Candidate candidate{sum + (double(logits[token]) - log_sum), beam, token};
    if (heap.size() == count) {
      if (!better(candidate, heap.front())) return;
      std::pop_heap(heap.begin(), heap.end(), better);
      heap.pop_back();
    }
    heap.push_back(candidate);
    std::push_heap(heap.begin(), heap.end(), better);
  };
  if (allowed.others) {
    T threshold = -std::numeric_limits<T>::infinity();
    for (int32_t token = 0; token < classes; ++token) {
      if (logits[token] < threshold || token == kPad || (token == kEos && !allowed.eos)) continue;
      offer(token);
      if (heap.size() == count) threshold = logits[heap.front().token];
    }
  } else {
    offer(kEos);
  }
  best.insert(best.end(), heap.begin(), heap.end());
}

/// A beam that ends in eos, which brings its sum to `sum`.
Hypothesis finish(Beam beam, double sum, const BeamOptions& options) {
  beam.tokens.push_back(kEos);
  beam.sums.push_back(sum);
  return hypothesis_of(std::move(beam.tokens), beam.sums, options.length_penalty);
}

/// Replaces the sentence's beams by their continuations. Returns whether the sentence is done.
bool advance(Sentence& sentence, std::vector<Candidate>& candidates, int64_t length, const BeamOptions& options) {
  const size_t width = size_t(options.beam);
  std::sort(candidates.begin(), candidates.end(), better);
  candidates.resize(std::min(candidates.size(), 2 * width));
  std::vector<Beam> next;
  for (size_t i = 0; i < candidates.size() && next.size() < width; ++i) {
    const Candidate& candidate = candidates[i];
    const Beam& parent = sentence.beams[candidate.beam];
    if (candidate.token == kEos) {
      if (i < width && sentence.finished.size() < width) {
        sentence.finished.push_back(finish(parent, candidate.sum, options));
      }
      continue;
    }
    Beam beam = parent;
    beam.tokens.push_back(candidate.token);
    beam.sums.push_back(candidate.sum);
    next.push_back(std::move(beam));
  }
  sentence.beams = std::move(next);
  return sentence.finished.size() == width || length >= sentence.max_length;
}

/// The candidates of every sentence from the logits [R,V] of its beams.
std::vector<std::vector<Candidate>> candidates_of(const std::vector<Sentence>& sentences, const at::Tensor& logits,
                                                  int64_t length, const BeamOptions& options) {
  const at::Tensor log_sums = at::logsumexp(logits, 1).to(at::kDouble);
  const double* log_sum = log_sums.const_data_ptr<double>();
  const int64_t classes = logits.size(1);
  std::vector<std::vector<Candidate>> candidates(sentences.size());
  std::vector<int64_t> first_row(sentences.size() + 1, 0);
  for (size_t i = 0; i < sentences.size(); ++i) first_row[i + 1] = first_row[i] + int64_t(sentences[i].beams.size());
  for (int64_t row = 0; row < first_row.back(); ++row) {
    if (!std::isfinite(log_sum[row])) {
      fail("NON_FINITE", "beam search: the model's logits at position " + std::to_string(length) + " are not finite");
    }
  }
  dispatch_floating(logits, [&](auto zero) {
    using T = decltype(zero);
    const T* data = logits.const_data_ptr<T>();
    at::parallel_for(0, int64_t(sentences.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Allowed allowed = allowed_at(length, sentences[i], options);
        for (size_t b = 0; b < sentences[i].beams.size(); ++b) {
          const int64_t row = first_row[i] + int64_t(b);
          best_of_row(data + row * classes, classes, log_sum[row], sentences[i].beams[b].sum(), int32_t(b), allowed,
                      size_t(2 * options.beam), candidates[i]);
        }
      }
    });
  });
  return candidates;
}

/// Decodes some sentences together; writes their hypotheses to their places in `results`.
void search_group(const Transformer& model, const SourceGroup& group, const BeamOptions& options,
                  std::vector<std::vector<Hypothesis>>& results) {
  IncrementalDecoder decoder(model, group.sources);
  std::vector<Sentence> sentences;
  for (int32_t i = 0; i < group.sources.count(); ++i) {
    const int64_t source_length = group.sources.offsets[i + 1] - group.sources.offsets[i];
    const int64_t longest = longest_translation(group.places[i], source_length, options, model.config().max_positions);
    sentences.push_back({i, longest, {Beam{{}, {}, 0}}, {}});
  }
  for (int64_t length = 0; !sentences.empty(); ++length) {
    std::vector<int32_t> tokens, owners, parents;
    for (Sentence& sentence : sentences) {
      for (Beam& beam : sentence.beams) {
        if (length > 0) parents.push_back(beam.row);
        beam.row = int32_t(tokens.size());
        tokens.push_back(length > 0 ? beam.tokens.back() : kEos);
        owners.push_back(sentence.source);
      }
    }
    auto candidates = candidates_of(sentences, decoder.step(tokens, owners, parents), length, options);
    std::vector<Sentence> open;
    for (size_t i = 0; i < sentences.size(); ++i) {
      Sentence& sentence = sentences[i];
      if (!advance(sentence, candidates[i], length, options)) {
        open.push_back(std::move(sentence));
        continue;
      }
      results[group.places[sentence.source]] = best_of(std::move(sentence.finished), options.n_best);
    }
    sentences = std::move(open);
  }
}

}  // namespace

Translations beam_search(const Transformer& model, const Packed& sources, const BeamOptions& options) {
  at::NoGradGuard no_grad;
  if (sources.count() == 0) return {};
  check_packed(sources, "source", model.config().vocab_size, model.config().max_positions);
  if (model.device()) return beam_search_on(*model.device(), model, sources, options);
  Translations translations;
  translations.hypotheses.resize(sources.count());
  for (const SourceGroup& group : source_groups(sources, kGroupTokens, [](int64_t) { return kGroupSentences; })) {
    search_group(model, group, options, translations.hypotheses);
  }
  return translations;
}

}  // namespace rdrop
