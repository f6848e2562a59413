// Beam search as fairseq/sequence_generator.py does it: of each sentence's 2·beam best continuations, those
// among the first `beam` that end in eos are finished, the first `beam` that do not end go on; a sentence is
// done when it has `beam` finished hypotheses or has reached its longest length. R rows (beam a sentence), V
// types.
#include "translation/beam_search.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "translation/beam_search_device.h"
#include "translation/incremental_decoder.h"
#include "translation/source_groups.h"
#include "core/errors.h"
#include "ops/beam_candidates/beam_candidates.h"

namespace rdrop {
namespace {

/// Sentences that are decoded together: enough rows to fill a matrix product, few enough to stay in memory.
constexpr int64_t kGroupSentences = 128;
constexpr int64_t kGroupTokens = 4096;

/// A live hypothesis: its tokens so far and the sum of log-probabilities after each.
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
Follow follow_at(int64_t length, const Sentence& sentence, const BeamOptions& options) {
  if (length >= sentence.max_length) return Follow::eos;
  return length >= options.min_len ? Follow::any : Follow::others;
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
  const size_t most = std::min(candidates.size(), 2 * width);
  std::partial_sort(candidates.begin(), candidates.begin() + most, candidates.end(), better);
  candidates.resize(most);
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

/// What a search keeps from step to step and from group to group.
struct Workspace {
  DecoderMemory decoder;
  std::vector<Follow> follow;
  Continuations continuations;
  std::vector<Candidate> candidates;
};

/// The best continuations of each row from the logits [R,V].
void find_continuations(const std::vector<Sentence>& sentences, const at::Tensor& logits, int64_t length,
                        const BeamOptions& options, Workspace& workspace) {
  workspace.follow.clear();
  for (const Sentence& sentence : sentences) {
    workspace.follow.insert(workspace.follow.end(), sentence.beams.size(), follow_at(length, sentence, options));
  }
  beam_candidates(logits, workspace.follow, 2 * options.beam, workspace.continuations);
  for (const double log_sum : workspace.continuations.log_sums) {
    if (!std::isfinite(log_sum)) {
      fail(ErrorCode::non_finite,
           "beam search: the model's logits at position " + std::to_string(length) + " are not finite");
    }
  }
}

/// The candidates of a sentence, whose beams are the rows from `row` on.
void collect_candidates(const Sentence& sentence, int64_t row, const Continuations& continuations,
                        std::vector<Candidate>& candidates) {
  candidates.clear();
  for (size_t b = 0; b < sentence.beams.size(); ++b, ++row) {
    const double sum = sentence.beams[b].sum(), log_sum = continuations.log_sums[row];
    for (int64_t i = row * continuations.count; i < row * continuations.count + continuations.found[row]; ++i) {
      candidates.push_back({sum + (continuations.values[i] - log_sum), int32_t(b), continuations.tokens[i]});
    }
  }
}

/// Decodes some sentences together; writes their hypotheses to their places in `results`.
void search_group(const Transformer& model, const SourceGroup& group, const BeamOptions& options, Workspace& workspace,
                  std::vector<std::vector<Hypothesis>>& results) {
  IncrementalDecoder decoder(model, group.sources, workspace.decoder);
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
    find_continuations(sentences, decoder.step(tokens, owners, parents), length, options, workspace);
    std::vector<Sentence> open;
    int64_t row = 0;
    for (Sentence& sentence : sentences) {
      collect_candidates(sentence, row, workspace.continuations, workspace.candidates);
      row += int64_t(sentence.beams.size());
      if (!advance(sentence, workspace.candidates, length, options)) {
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
  if (!model.config().has_both()) {
    fail(ErrorCode::invalid_argument, "translate: expected a network with encoder and decoder, got one of them");
  }
  if (sources.count() == 0) return {};
  check_packed(sources, "source", model.config().source_vocab_size, model.config().max_positions);
  if (model.device()) return beam_search_on(*model.device(), model, sources, options);
  Translations translations;
  translations.hypotheses.resize(sources.count());
  Workspace workspace;
  for (const SourceGroup& group : source_groups(sources, kGroupTokens, [](int64_t) { return kGroupSentences; })) {
    search_group(model, group, options, workspace, translations.hypotheses);
  }
  return translations;
}

}  // namespace rdrop
