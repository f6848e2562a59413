// Beam search's kernels under the emulated grid: the candidates of a row against a sort, and whole searches over
// made-up models against the rule written down plainly. A made-up model's logits are a function of the tokens before.
#include "ops/beam_search/beam_search_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "model/config.h"
#include "test/check.h"

namespace rdrop::test {
namespace {

/// A group's state in host memory.
struct Group {
  int64_t sentences, beam, capacity;
  std::vector<int32_t> longest, ints;
  std::vector<double> doubles;
  uint32_t counters[2] = {7, 7};
  BeamSearchState state{};

  Group(std::vector<int32_t> longest_of, int64_t beam_width, int64_t min_length)
      : sentences(int64_t(longest_of.size())), beam(beam_width), longest(std::move(longest_of)) {
    capacity = *std::max_element(longest.begin(), longest.end()) + 1;
    const int64_t rows = sentences * beam;
    std::vector<std::pair<int32_t**, int64_t>> int_arrays = {
        {&state.length, 1},
        {&state.not_finite, 1},
        {&state.live, rows},
        {&state.tokens, rows},
        {&state.positions, rows},
        {&state.ancestors, 2 * capacity * rows},
        {&state.candidate_tokens, 2 * beam * rows},
        {&state.token_history, capacity * rows},
        {&state.parent_history, capacity * rows},
        {&state.finished_count, sentences},
        {&state.finished_length, rows},
        {&state.finished_row, rows},
    };
    std::vector<std::pair<double**, int64_t>> double_arrays = {
        {&state.sums, rows},
        {&state.candidate_sums, 2 * beam * rows},
        {&state.sum_history, capacity * rows},
        {&state.finished_sum, rows},
    };
    const auto place = [](auto& arrays, auto& memory, auto unset) {
      int64_t size = 0;
      for (const auto& [array, count] : arrays) size += count;
      memory.assign(size_t(size), unset);
      auto* at = memory.data();
      for (const auto& [array, count] : arrays) {
        *array = at;
        at += count;
      }
    };
    place(int_arrays, ints, int32_t{-12345});
    place(double_arrays, doubles, std::nan(""));
    state.sentences = sentences;
    state.beam = beam;
    state.capacity = capacity;
    state.min_length = min_length;
    state.longest = longest.data();
    state.done = &counters[0];
    state.arrived = &counters[1];
  }
};

using Tokens = std::vector<int32_t>;

/// Logits after some tokens of a sentence's translation: few different values where ties are wanted.
struct Model {
  int64_t classes;
  uint64_t seed;
  int levels;  ///< 0: all different

  std::vector<float> logits(int64_t sentence, const Tokens& before) const {
    uint64_t hash = seed * 1000003 + uint64_t(sentence);
    for (const int32_t token : before) hash = hash * 6364136223846793005u + uint64_t(token) + 1;
    std::mt19937_64 generator(hash);
    std::vector<float> all(static_cast<size_t>(classes));
    for (float& x : all) {
      x = levels ? float(int64_t(generator() % uint64_t(levels))) / 2 : float(int64_t(generator() % 100003)) / 20000;
    }
    all[kEos] += float(before.size()) / 4;  // hypotheses do end
    return all;
  }
};

struct Finished {
  Tokens tokens;
  std::vector<double> sums;  // after each token, eos included
};

double log_sum_of(const std::vector<float>& logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(double(x) - top);
  return top + std::log(sum);
}

struct Continuation {
  double sum;
  size_t beam;
  int32_t token;
  bool operator<(const Continuation& other) const {
    if (sum != other.sum) return sum > other.sum;
    return beam != other.beam ? beam < other.beam : token < other.token;
  }
};

/// The rule: all continuations sorted; of the 2W best, those among the first W that end in eos are finished, the first
/// W others go on.
std::vector<Finished> search(const Model& model, int64_t sentence, int64_t beam, int64_t longest, int64_t min_length) {
  std::vector<Finished> beams{{}}, finished;
  for (int64_t length = 0; length <= longest && int64_t(finished.size()) < beam; ++length) {
    std::vector<Continuation> all;
    for (size_t b = 0; b < beams.size(); ++b) {
      const std::vector<float> logits = model.logits(sentence, beams[b].tokens);
      const double log_sum = log_sum_of(logits), before = beams[b].sums.empty() ? 0 : beams[b].sums.back();
      for (int32_t token = 0; token < model.classes; ++token) {
        if (token == kPad || (token != kEos && length == longest) || (token == kEos && length < min_length)) continue;
        all.push_back({before + (double(logits[token]) - log_sum), b, token});
      }
    }
    std::sort(all.begin(), all.end());
    all.resize(std::min(all.size(), size_t(2 * beam)));
    std::vector<Finished> next;
    for (size_t i = 0; i < all.size() && int64_t(next.size()) < beam; ++i) {
      const bool ends = all[i].token == kEos;
      if (ends && (int64_t(i) >= beam || int64_t(finished.size()) == beam)) continue;
      Finished longer = beams[all[i].beam];
      longer.tokens.push_back(all[i].token);
      longer.sums.push_back(all[i].sum);
      (ends ? finished : next).push_back(std::move(longer));
    }
    beams = std::move(next);
  }
  return finished;
}

/// The tokens and sums of a row after `length` positions.
Finished row_of(const Group& group, int32_t length, int32_t row) {
  const int64_t rows = group.sentences * group.beam;
  Finished result;
  for (int32_t p = length; p-- > 0;) {
    const int64_t at = p * rows + row;
    result.tokens.push_back(group.state.token_history[at]);
    result.sums.push_back(group.state.sum_history[at]);
    row = group.state.parent_history[at];
  }
  std::reverse(result.tokens.begin(), result.tokens.end());
  std::reverse(result.sums.begin(), result.sums.end());
  return result;
}

/// Runs the kernels until all sentences are done; on the way the ancestors must give the same history as the parents.
void run(Group& group, const Model& model) {
  const auto kernels = beam_search_launchers();
  const BeamSearchState& s = group.state;
  const int64_t rows = group.sentences * group.beam;
  const auto open = std::count_if(group.longest.begin(), group.longest.end(), [](int32_t l) { return l >= 0; });
  std::vector<Tokens> inputs;
  kernels.begin(s, nullptr);
  while (int64_t(*s.done) < open) {
    const int32_t length = *s.length;
    expect(length < group.capacity, "the search continues beyond the longest length");
    Array<float> logits(std::vector<double>(size_t(rows * model.classes), std::nan("")));
    inputs.emplace_back(s.tokens, s.tokens + rows);
    for (int64_t row = 0; row < rows; ++row) {
      if (!s.live[row]) continue;
      const Tokens before = row_of(group, length, int32_t(row)).tokens;
      expect(s.positions[row] == kPad + 1 + length, "position");
      expect(s.tokens[row] == (before.empty() ? kEos : before.back()), "the next input");
      for (int32_t p = 1; p < length; ++p) {
        const int32_t held = s.ancestors[(length % 2 * group.capacity + p) * rows + row];
        expect(inputs[size_t(p)][size_t(held)] == before[size_t(p - 1)], "the ancestors give another history");
      }
      const std::vector<float> x = model.logits(row / group.beam, before);
      std::copy(x.begin(), x.end(), logits.data() + row * model.classes);
    }
    kernels.candidates(s, logits.data(), model.classes, nullptr);
    kernels.advance(s, nullptr);
    expect(*s.length == length + 1 && *s.arrived == 0 && *s.not_finite == 0, "the counters after a step");
  }
}

void compare(const std::vector<int32_t>& longest, int64_t beam, int64_t min_length, const Model& model) {
  in_every_order([&] {
    Group group(longest, beam, min_length);
    run(group, model);
    for (int64_t i = 0; i < group.sentences; ++i) {
      if (longest[size_t(i)] < 0) continue;
      const std::string name = "sentence " + std::to_string(i);
      const auto expected = search(model, i, beam, longest[size_t(i)], min_length);
      expect(group.state.finished_count[i] == int32_t(expected.size()), name + ": finished hypotheses");
      for (size_t f = 0; f < expected.size(); ++f) {
        const size_t at = size_t(i * beam) + f;
        Finished actual = row_of(group, group.state.finished_length[at], group.state.finished_row[at]);
        actual.tokens.push_back(kEos);
        actual.sums.push_back(group.state.finished_sum[at]);
        expect(actual.tokens == expected[f].tokens, name + ": other tokens in hypothesis " + std::to_string(f));
        expect_close(name + " sums", actual.sums, expected[f].sums, 1e-6, 1e-6);
      }
    }
  });
}

const Case candidates{"beam search: the best continuations of a row, with ties and masks", [] {
                        for (const int levels : {0, 3}) {
                          const Model model{1030, 5, levels};
                          Group group({4}, 4, 1);
                          beam_search_launchers().begin(group.state, nullptr);
                          for (const int32_t length : {0, 1, 4}) {  // no eos yet, anything, nothing but eos
                            *group.state.length = length;
                            group.state.sums[0] = -1.5;
                            const std::vector<float> x = model.logits(0, Tokens(size_t(length), 3));
                            Array<float> logits(std::vector<double>(4 * 1030, 0.0));
                            std::copy(x.begin(), x.end(), logits.data());
                            std::vector<Continuation> all;
                            for (int32_t token = 0; token < 1030; ++token) {
                              if (token == kPad || (token == kEos ? length == 0 : length == 4)) continue;
                              all.push_back({-1.5 + (double(x[token]) - log_sum_of(x)), 0, token});
                            }
                            std::sort(all.begin(), all.end());
                            in_every_order([&] {
                              beam_search_launchers().candidates(group.state, logits.data(), 1030, nullptr);
                              for (size_t i = 0; i < std::min(all.size(), size_t{8}); ++i) {
                                expect(group.state.candidate_tokens[i] == all[i].token, "another token");
                                expect_close("sum", {group.state.candidate_sums[i]}, {all[i].sum}, 1e-6, 0);
                              }
                              if (length == 4)
                                expect(group.state.candidate_tokens[1] == -1, "more than eos at the end");
                            });
                          }
                        }
                      }};

const Case searches{"beam search: whole searches against the rule", [] {
                      for (int64_t beam = 1; beam <= 5; ++beam) compare({4, 2, 7}, beam, 1, {23, uint64_t(beam), 0});
                      compare({5, -1, 0}, 3, 0, {40, 10, 0});  // a place without a sentence
                      compare({6}, 2, 4, {300, 3, 0});
                      compare({2}, 35, 1, {50, 4, 0});  // more beams than a warp has lanes
                    }};

const Case ties{"beam search: ties go to the earlier beam, then to the smaller token", [] {
                  // One value everywhere makes all sums equal in exact arithmetic and in the kernels alike.
                  compare({3, 4}, 4, 1, {32, 1, 1});
                }};

const Case few_types{"beam search: fewer continuations than beams", [] {
                       compare({3, 2}, 5, 1, {4, 2, 0});
                       compare({3}, 4, 1, {3, 2, 0});
                     }};

const Case not_finite{"beam search: logits that are not finite are noticed, and where", [] {
                        const float infinity = std::numeric_limits<float>::infinity();
                        for (const float bad : {infinity, std::nanf(""), -infinity}) {
                          Group group({4, 4}, 2, 1);
                          beam_search_launchers().begin(group.state, nullptr);
                          *group.state.length = 3;
                          Array<float> logits(std::vector<double>(4 * 7, 0.0));
                          logits.data()[9] = std::nanf("");  // a row that is not in use
                          beam_search_launchers().candidates(group.state, logits.data(), 7, nullptr);
                          expect(*group.state.not_finite == 0, "a row that is not in use counted");
                          logits.data()[2 * 7 + 6] = bad;
                          beam_search_launchers().candidates(group.state, logits.data(), 7, nullptr);
                          // One type without any probability is nothing wrong.
                          expect(*group.state.not_finite == (bad == -infinity ? 0 : 4), "the position");
                        }
                      }};

}  // namespace
}  // namespace rdrop::test
