// See generation.h.
#include "generation/generation.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/dispatch.h"
#include "core/errors.h"
#include "generation/beam_generation.h"
#include "generation/text_decoder.h"

namespace rdrop {
namespace {

/// A text that is not at its end.
struct Text {
  size_t number;                ///< of its prompt
  std::vector<int32_t> tokens;  ///< prompt and what was generated
  int32_t row;                  ///< in the decoder
};

class Generation {
 public:
  Generation(const Transformer& model, const GenerationOptions& options, std::vector<Generated>& results)
      : model_(model), options_(options), results_(results), longest_(model.config().max_positions), decoder_(model) {}

  /// Goes on with these together.
  void run(std::vector<Text> texts) {
    texts_ = std::move(texts);
    run_cached();
    while (!texts_.empty()) append(next_without_cache());
  }

  /// Goes on with one by beam search.
  void search(const Text& text) { results_[text.number] = generate_by_beam(model_, text.tokens, options_, decoder_); }

  /// Prompts that fit into one group.
  int64_t group_size() const { return decoder_.group_size(); }

 private:
  /// Until no text is left, or those that are left are longer than the network can see. All texts stand at the same
  /// position; those whose prompt goes on take its next token.
  void run_cached() {
    int64_t most = 0;
    for (const Text& text : texts_) most = std::max(most, int64_t(text.tokens.size()));
    most += std::min(longest_ - most, options_.max_tokens - 1);  // nothing follows the last token
    const int64_t kept = decoder_.begin(int64_t(texts_.size()), most);
    for (int64_t position = 0; position < kept && !texts_.empty(); ++position) {
      std::vector<int32_t> tokens, parents;
      bool wanted = false;
      for (Text& text : texts_) {
        if (position > 0) parents.push_back(text.row);
        text.row = int32_t(tokens.size());
        tokens.push_back(text.tokens[size_t(position)]);
        wanted = wanted || int64_t(text.tokens.size()) == position + 1;
      }
      if (wanted) {
        append(decoder_.step(tokens, parents), position + 1);
      } else {
        decoder_.advance(tokens, parents);
      }
    }
  }

  /// The logits [n,V] behind the last tokens that the network can see of each text.
  at::Tensor next_without_cache() const {
    Packed windows;
    for (const Text& text : texts_) {
      const int64_t seen = std::min(longest_, int64_t(text.tokens.size()));
      windows.tokens.insert(windows.tokens.end(), text.tokens.end() - seen, text.tokens.end());
      windows.offsets.push_back(int32_t(windows.tokens.size()));
    }
    return model_.next_logits(windows);
  }

  /// Appends a token to each text, or to those of `length` tokens, and drops texts that are at their end.
  void append(const at::Tensor& logits, int64_t length = 0) {
    const int64_t classes = logits.size(1);
    std::vector<char> ended(texts_.size());
    dispatch_floating(logits, [&](auto zero) {
      using T = decltype(zero);
      const T* data = logits.const_data_ptr<T>();
      parallel_rows(int64_t(texts_.size()), classes * (options_.sampling.greedy ? 8 : 32),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t i = begin; i < end; ++i) {
                        Text& text = texts_[size_t(i)];
                        if (length > 0 && int64_t(text.tokens.size()) != length) continue;
                        ended[size_t(i)] = append_to(text, data + i * classes, classes);
                      }
                    });
    });
    size_t kept = 0;
    for (size_t i = 0; i < texts_.size(); ++i) {
      if (ended[i]) continue;
      if (kept != i) texts_[kept] = std::move(texts_[i]);
      ++kept;
    }
    texts_.resize(kept);
  }

  /// Returns whether the text is at its end.
  template <typename T>
  bool append_to(Text& text, const T* logits, int64_t classes) const {
    Generated& result = results_[text.number];
    const double uniform = sampling_uniform(options_.seed, options_.first + text.number, result.tokens.size());
    const Sample next = sample(logits, classes, options_.sampling, uniform);
    text.tokens.push_back(next.token);
    result.tokens.push_back(next.token);
    result.log_probabilities.push_back(float(next.log_probability));
    return int64_t(result.tokens.size()) == options_.max_tokens || (options_.until_eos && next.token == kEos);
  }

  const Transformer& model_;
  const GenerationOptions& options_;
  std::vector<Generated>& results_;
  int64_t longest_;
  std::vector<Text> texts_;
  TextDecoder decoder_;
};

}  // namespace

std::vector<Generated> generate(const Transformer& model, const Packed& prompts, const GenerationOptions& options) {
  if (model.config().architecture != ModelConfig::Architecture::decoder)
    fail(ErrorCode::invalid_argument, "generation: expected a network that is a decoder alone");
  const at::NoGradGuard no_grad;
  std::vector<Generated> results{size_t(prompts.count())};
  if (options.max_tokens < 1) return results;
  Generation generation(model, options, results);
  const int64_t longest = model.config().max_positions;
  std::vector<Text> group;
  for (int64_t i = 0; i < prompts.count(); ++i) {
    const auto begin = prompts.tokens.begin() + prompts.offsets[i],
               end = prompts.tokens.begin() + prompts.offsets[i + 1];
    if (begin == end) fail(ErrorCode::invalid_argument, "generation: prompt ", i, " is empty");
    for (auto token = begin; token != end; ++token) {
      if (*token < 0 || *token >= model.config().vocab_size)
        fail(ErrorCode::token_out_of_range, "prompt ", i, ", position ", token - begin, ": expected a token from 0 to ",
             model.config().vocab_size - 1, ", got ", *token);
    }
    group.push_back({size_t(i), {end - std::min<int64_t>(longest, end - begin), end}, 0});
    if (options.beam > 0) {
      generation.search(group.back());
      group.clear();
      continue;
    }
    if (int64_t(group.size()) < generation.group_size() && i + 1 < prompts.count()) continue;
    generation.run(std::move(group));
    group.clear();
  }
  return results;
}

}  // namespace rdrop
