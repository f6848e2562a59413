// See beam_search_device.h. N sentences of W beams are R rows, L positions, V types.
#include "translation/beam_search_device.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "translation/device_decoder.h"
#include "translation/source_groups.h"
#include "ops/beam_search/beam_search_kernel.h"
#include "device/device.h"
#include "device/recording.h"
#include "device/dispatch.h"
#include "core/errors.h"

namespace rdrop {
namespace {

/// Sentences that are decoded together, where the memory suffices: enough rows to fill matrix products.
constexpr int64_t kGroupSentences = 512;
constexpr int64_t kGroupTokens = 32768;

/// Positions between two questions whether the search has ended: each makes the device wait for the host.
constexpr int64_t kStepsBetweenQuestions = 8;

/// What fits a block's shared memory, with room to spare.
constexpr int64_t kMostBeams = 1024;

/// The memory of a search, and its step as a graph.
class DeviceSearch {
 public:
  DeviceSearch(Device& device, Recorder& recorder, const Transformer& model, const BeamOptions& options,
               int64_t sentences, int64_t positions, int64_t source_tokens, int64_t longest_source)
      : device_(device),
        recorder_(recorder),
        options_(options),
        sentences_(sentences),
        positions_(positions),
        source_tokens_(source_tokens),
        longest_source_(longest_source),
        decoder_(model, sentences, options.beam, positions, source_tokens, longest_source),
        recording_(recorder.add()) {
    const int64_t rows = sentences * options.beam;
    const auto ints = [&](std::vector<int64_t> sizes) { return device.memory().empty(sizes, at::kInt); };
    const auto doubles = [&](std::vector<int64_t> sizes) { return device.memory().empty(sizes, at::kDouble); };
    counters_ = ints({4});
    longest_ = ints({sentences});
    live_ = ints({rows});
    tokens_ = ints({rows});
    row_positions_ = ints({rows});
    ancestors_ = ints({2, positions, rows});
    candidate_tokens_ = ints({rows, 2 * options.beam});
    history_ = ints({2, positions, rows});
    finished_ = ints({2, sentences, options.beam});
    finished_count_ = ints({sentences});
    sums_ = doubles({rows});
    candidate_sums_ = doubles({rows, 2 * options.beam});
    sum_history_ = doubles({positions, rows});
    finished_sum_ = doubles({sentences, options.beam});
    logits_ = device.memory().empty({rows, model.config().vocab_size}, at::kFloat);

    int32_t* counters = mutable_elements<int32_t>(counters_);
    state_.sentences = sentences;
    state_.beam = options.beam;
    state_.capacity = positions;
    state_.min_length = options.min_len;
    state_.longest = elements<int32_t>(longest_);
    state_.length = counters + kLength;
    state_.done = reinterpret_cast<uint32_t*>(counters + kDone);
    state_.not_finite = counters + kNotFinite;
    state_.arrived = reinterpret_cast<uint32_t*>(counters + kArrived);
    state_.live = mutable_elements<int32_t>(live_);
    state_.tokens = mutable_elements<int32_t>(tokens_);
    state_.positions = mutable_elements<int32_t>(row_positions_);
    state_.sums = mutable_elements<double>(sums_);
    state_.ancestors = mutable_elements<int32_t>(ancestors_);
    state_.candidate_sums = mutable_elements<double>(candidate_sums_);
    state_.candidate_tokens = mutable_elements<int32_t>(candidate_tokens_);
    state_.token_history = mutable_elements<int32_t>(history_);
    state_.parent_history = state_.token_history + positions * rows;
    state_.sum_history = mutable_elements<double>(sum_history_);
    state_.finished_count = mutable_elements<int32_t>(finished_count_);
    state_.finished_length = mutable_elements<int32_t>(finished_);
    state_.finished_row = state_.finished_length + rows;
    state_.finished_sum = mutable_elements<double>(finished_sum_);
  }

  ~DeviceSearch() { recorder_.remove(recording_); }
  DeviceSearch(const DeviceSearch&) = delete;

  /// Whether there is memory for a group, and no more than twice the rows it needs.
  bool fits(const SourceGroup& group, int64_t longest, int64_t longest_source) const {
    const int64_t count = group.sources.count();
    return count <= sentences_ && sentences_ <= 2 * count && longest < positions_ &&
           group.sources.size() <= source_tokens_ && longest_source <= longest_source_;
  }

  /// longest [n]: most tokens before eos of each sentence. Writes the hypotheses to their places.
  void run(const SourceGroup& group, std::vector<int32_t> longest, std::vector<std::vector<Hypothesis>>& results) {
    const int64_t count = group.sources.count();
    const int32_t most = *std::max_element(longest.begin(), longest.end());
    longest.resize(size_t(sentences_), -1);
    device_.memory().upload(longest.data(), longest.size() * sizeof(int32_t), longest_);
    decoder_.load(group.sources);
    device_.kernels().beam_search.begin(state_, device_.stream());
    for (int64_t length = 0; length <= most; ++length) {
      recorder_.run(recording_, [this] { step(); });
      if (length < most && (length + 1) % kStepsBetweenQuestions != 0) continue;
      const at::Tensor host = device_.memory().download(counters_);
      const int32_t* counters = host.const_data_ptr<int32_t>();
      if (counters[kNotFinite] > 0) {
        fail(ErrorCode::non_finite, "beam search: the model's logits at position ", counters[kNotFinite] - 1,
             " are not finite");
      }
      if (counters[kDone] == count) break;
      if (length == most)
        fail(ErrorCode::internal, "beam search: ", count - counters[kDone], " sentences have not ended");
    }
    read(group, results);
  }

 private:
  enum Counter { kLength, kDone, kNotFinite, kArrived };

  void step() {
    decoder_.step({state_.live, state_.ancestors, state_.length}, tokens_, row_positions_, logits_);
    device_.kernels().beam_search.candidates(state_, elements<float>(logits_), logits_.size(1), device_.stream());
    device_.kernels().beam_search.advance(state_, device_.stream());
  }

  /// Follows the parents back from the end of every finished hypothesis.
  void read(const SourceGroup& group, std::vector<std::vector<Hypothesis>>& results) {
    const int64_t rows = sentences_ * options_.beam;
    const at::Tensor counts = device_.memory().download(finished_count_), ends = device_.memory().download(finished_),
                     end_sums = device_.memory().download(finished_sum_);
    const int32_t* count = counts.const_data_ptr<int32_t>();
    const int32_t* length = ends.const_data_ptr<int32_t>();
    const int32_t* row = length + rows;
    int64_t used = 1;
    for (int64_t i = 0; i < group.sources.count(); ++i) {
      for (int64_t f = 0; f < count[i]; ++f) used = std::max<int64_t>(used, length[i * options_.beam + f]);
    }
    const at::Tensor histories = device_.memory().download(history_.narrow(1, 0, used)),
                     sum_history = device_.memory().download(sum_history_.narrow(0, 0, used));
    const int32_t* token = histories.const_data_ptr<int32_t>();
    const int32_t* parent = token + used * rows;
    const double* sum = sum_history.const_data_ptr<double>();
    for (int64_t i = 0; i < group.sources.count(); ++i) {
      std::vector<Hypothesis> finished;
      for (int64_t at = i * options_.beam; at < i * options_.beam + count[i]; ++at) {
        std::vector<int32_t> tokens(size_t(length[at]) + 1, kEos);
        std::vector<double> sums(tokens.size(), end_sums.const_data_ptr<double>()[at]);
        int64_t from = row[at];
        for (int64_t p = length[at]; p-- > 0;) {
          tokens[size_t(p)] = token[p * rows + from];
          sums[size_t(p)] = sum[p * rows + from];
          from = parent[p * rows + from];
        }
        finished.push_back(hypothesis_of(std::move(tokens), sums, options_.length_penalty));
      }
      results[size_t(group.places[size_t(i)])] = best_of(std::move(finished), options_.n_best);
    }
  }

  Device& device_;
  Recorder& recorder_;
  const BeamOptions& options_;
  int64_t sentences_, positions_, source_tokens_, longest_source_;
  DeviceDecoder decoder_;
  at::Tensor counters_;                                                // int32 [4]: Counter
  at::Tensor longest_, live_, tokens_, row_positions_, ancestors_;     // int32: as in BeamSearchState
  at::Tensor candidate_tokens_, history_, finished_, finished_count_;  // history_: tokens, then parents; finished_:
                                                                       // lengths, then rows
  at::Tensor sums_, candidate_sums_, sum_history_, finished_sum_;      // float64
  at::Tensor logits_;                                                  // float32 [R,V]
  BeamSearchState state_{};
  Recording& recording_;
};

}  // namespace

Translations beam_search_on(Device& device, const Transformer& model, const Packed& sources,
                            const BeamOptions& options) {
  const DeviceScope scope(&device, model.tf32());
  const ModelConfig& config = model.config();
  const auto length_of = [](const Packed& packed, int64_t i) { return packed.offsets[i + 1] - packed.offsets[i]; };
  const int64_t room = DeviceDecoder::most_positions(config);
  if (options.beam > kMostBeams || config.max_positions > room) {
    fail(ErrorCode::invalid_argument, "beam search on a device: expected a beam of at most ", kMostBeams,
         " and a model with maxPositions of at most ", room, ", got ", options.beam, " and ", config.max_positions,
         ". Next: device cpu");
  }
  const int64_t cache = DeviceDecoder::most_cache_bytes(device);
  const auto longest_of = [&](int64_t place, int64_t length) {
    return longest_translation(place, length, options, config.max_positions);
  };
  for (int64_t i = 0; i < sources.count(); ++i) longest_of(i, length_of(sources, i));
  const auto groups = source_groups(sources, kGroupTokens, [&](int64_t source_length) {
    const int64_t row = (longest_of(0, source_length) + 1) * DeviceDecoder::cache_bytes(model);
    return std::min(kGroupSentences, cache / (row * options.beam));
  });
  Translations translations;
  translations.hypotheses.resize(sources.count());
  Recorder recorder(device, 1);
  std::unique_ptr<DeviceSearch> search;
  for (const SourceGroup& group : groups) {
    const int64_t count = group.sources.count(), longest_source = length_of(group.sources, 0);
    std::vector<int32_t> longest;
    for (int64_t i = 0; i < count; ++i) {
      longest.push_back(int32_t(longest_of(group.places[size_t(i)], length_of(group.sources, i))));
    }
    recorder.with_room([&] {
      try {
        if (!search || !search->fits(group, longest[0], longest_source)) {
          search.reset();  // its memory first
          search = std::make_unique<DeviceSearch>(device, recorder, model, options, count, longest[0] + 1,
                                                  std::max(kGroupTokens, group.sources.size()), longest_source);
        }
        search->run(group, longest, translations.hypotheses);
      } catch (...) {
        search.reset();
        throw;
      }
    });
  }
  translations.graph_fallback_reason = recorder.fallback_reason();
  return translations;
}

}  // namespace rdrop
