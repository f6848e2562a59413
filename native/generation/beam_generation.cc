// See beam_generation.h. The search is that of translation/beam_search.cc: of the 2·beam best continuations those among
// the first `beam` that end are finished, the first `beam` that do not end go on.
#include "generation/beam_generation.h"

#include <algorithm>
#include <cmath>

#include "core/errors.h"
#include "ops/beam_candidates/beam_candidates.h"

namespace rdrop {
namespace {

/// A text that goes on, and the sum of log-probabilities after each token behind its prompt.
struct Beam {
  std::vector<int32_t> tokens;
  std::vector<double> sums;
  int32_t parent;  ///< the row of the decoder that it continues

  double sum() const { return sums.empty() ? 0 : sums.back(); }
  double score() const { return sum() / double(std::max<size_t>(1, sums.size())); }
};

struct Candidate {
  double sum;
  int32_t beam, token;
};

/// Ties go to the earlier beam, then to the smaller token, so that a search can be repeated.
bool better(const Candidate& a, const Candidate& b) {
  if (a.sum != b.sum) return a.sum > b.sum;
  return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
}

class Search {
 public:
  Search(const Transformer& model, const std::vector<int32_t>& prompt, const GenerationOptions& options,
         TextDecoder& decoder)
      : model_(model),
        options_(options),
        decoder_(decoder),
        longest_(model.config().max_positions),
        beams_{{prompt, {}, 0}} {
    const int64_t types = options.sampling.types, all = model.config().vocab_size;
    left_out_ = types > 0 && types < all ? all - types : 0;
    const int64_t given = int64_t(prompt.size());
    kept_ = decoder_.begin(options.beam, given + std::min(longest_ - given, options.max_tokens - 1));
    if (kept_ < given) return;
    for (size_t i = 0; i + 1 < prompt.size(); ++i) decoder_.advance({prompt[i]}, {0});
  }

  Beam best() {
    const size_t width = size_t(options_.beam);
    for (int64_t made = 0; made < options_.max_tokens && finished_.size() < width; ++made) {
      beam_candidates(next_logits(), std::vector<Follow>(beams_.size(), Follow::any), 2 * options_.beam + left_out_,
                      continuations_);
      follow(candidates(), width);
    }
    if (finished_.size() < width) finished_.insert(finished_.end(), beams_.begin(), beams_.end());
    return *std::max_element(finished_.begin(), finished_.end(),
                             [](const Beam& a, const Beam& b) { return a.score() < b.score(); });
  }

 private:
  at::Tensor next_logits() {
    if (int64_t(beams_[0].tokens.size()) <= kept_) {
      std::vector<int32_t> tokens, parents;
      for (const Beam& beam : beams_) {
        tokens.push_back(beam.tokens.back());
        parents.push_back(beam.parent);
      }
      return decoder_.step(tokens, parents);
    }
    Packed windows;
    for (const Beam& beam : beams_) {
      const int64_t seen = std::min(longest_, int64_t(beam.tokens.size()));
      windows.tokens.insert(windows.tokens.end(), beam.tokens.end() - seen, beam.tokens.end());
      windows.offsets.push_back(int32_t(windows.tokens.size()));
    }
    return model_.next_logits(windows);
  }

  /// The 2·beam best continuations of all beams.
  std::vector<Candidate> candidates() const {
    std::vector<Candidate> found;
    const Continuations& c = continuations_;
    for (size_t b = 0; b < beams_.size(); ++b) {
      if (!std::isfinite(c.log_sums[b])) fail(ErrorCode::non_finite, "generation: the model's logits are not finite");
      for (int64_t i = int64_t(b) * c.count; i < int64_t(b) * c.count + c.found[b]; ++i) {
        if (!options_.sampling.allows(c.tokens[size_t(i)])) continue;
        found.push_back({beams_[b].sum() + (c.values[size_t(i)] - c.log_sums[b]), int32_t(b), c.tokens[size_t(i)]});
      }
    }
    const size_t most = std::min(found.size(), 2 * size_t(options_.beam));
    std::partial_sort(found.begin(), found.begin() + int64_t(most), found.end(), better);
    found.resize(most);
    return found;
  }

  void follow(const std::vector<Candidate>& candidates, size_t width) {
    std::vector<Beam> next;
    for (size_t i = 0; i < candidates.size() && next.size() < width; ++i) {
      const Candidate& candidate = candidates[i];
      const bool ends = options_.until_eos && candidate.token == kEos;
      if (ends && (i >= width || finished_.size() == width)) continue;
      Beam beam = beams_[size_t(candidate.beam)];
      beam.tokens.push_back(candidate.token);
      beam.sums.push_back(candidate.sum);
      beam.parent = candidate.beam;
      (ends ? finished_ : next).push_back(std::move(beam));
    }
    beams_ = std::move(next);
  }

  const Transformer& model_;
  const GenerationOptions& options_;
  TextDecoder& decoder_;
  int64_t longest_;
  int64_t kept_ = 0;  ///< tokens of a text that are read with the cache
  int64_t left_out_;  ///< types that are not generated: so many more are asked for
  std::vector<Beam> beams_, finished_;
  Continuations continuations_;
};

}  // namespace

Generated generate_by_beam(const Transformer& model, const std::vector<int32_t>& prompt,
                           const GenerationOptions& options, TextDecoder& decoder) {
  const Beam best = Search(model, prompt, options, decoder).best();
  Generated result;
  result.tokens.assign(best.tokens.begin() + int64_t(prompt.size()), best.tokens.end());
  for (size_t i = 0; i < best.sums.size(); ++i)
    result.log_probabilities.push_back(float(best.sums[i] - (i > 0 ? best.sums[i - 1] : 0)));
  return result;
}

}  // namespace rdrop
