// Times of steps, epochs and beam search. A device is waited for at the end of what is timed, and nowhere else.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "test/gpu/step.h"

namespace rdrop::gpu {
namespace {

using Direction = LossOptions::Direction;
constexpr Direction kDirections[] = {Direction::uni, Direction::bi};
/// How often the device is waited for to see whether an epoch takes too long.
constexpr size_t kStepsBetweenLooks = 100;

std::string spread(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  const auto at = [&](double q) { return seconds[std::min(seconds.size() - 1, size_t(q * double(seconds.size())))]; };
  char text[160];
  std::snprintf(text, sizeof(text), "\"median\":%.5g,\"p10\":%.5g,\"p90\":%.5g,\"repetitions\":%zu", at(0.5), at(0.1),
                at(0.9), seconds.size());
  return text;
}

/// Every k-th batch by size, neighbors apart: sampleBatches() of lib/benchmark/iwslt14.ts.
std::vector<size_t> sample_of(const Settings& settings, size_t count) {
  std::vector<size_t> order(settings.epoch.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return settings.epoch[a].tokens() < settings.epoch[b].tokens(); });
  count = std::min(count, order.size());
  std::vector<size_t> chosen;
  for (size_t i = 0; i < count; ++i) chosen.push_back(order[(2 * i + 1) * order.size() / (2 * count)]);
  size_t step = size_t(std::round(0.58 * double(count)));
  while (std::gcd(step, count) != 1) ++step;
  std::vector<size_t> mixed;
  for (size_t i = 0; i < count; ++i) mixed.push_back(chosen[step * i % count]);
  return mixed;
}

struct Part {
  double seconds = 0;
  size_t updates = 0;
  double share = 0;  ///< of the epoch's tokens
};

/// An epoch, or as many of its batches as fit into the time allowed; they are in random order.
Part run_epoch(const Settings& settings, Device& device, Trainer& trainer) {
  Part part;
  int64_t tokens = 0, all = 0;
  for (const BatchLengths& lengths : settings.epoch) all += lengths.tokens();
  part.seconds = seconds_of([&] {
    double so_far = 0;
    while (part.updates < settings.batches.size() && so_far < settings.seconds) {
      so_far += seconds_of([&] {
        for (size_t i = 0; i < kStepsBetweenLooks && part.updates < settings.batches.size(); ++i) {
          trainer.step({settings.batches[part.updates]});
          tokens += settings.epoch[part.updates++].tokens();
        }
        device.synchronize();
      });
    }
  });
  part.share = double(tokens) / double(all);
  return part;
}

void print_epoch(const char* row, const Settings& settings, Direction direction, const Part& part) {
  print_row(
      "{\"row\":\"%s\",\"side\":\"rdrop\",\"direction\":\"%s\",\"precision\":\"%s\",\"seconds\":%.4g,"
      "\"updates\":%zu,\"measuredUpdates\":%zu,\"measuredSeconds\":%.4g,\"scaled\":%s}",
      row, name_of(direction), name_of(settings.type), part.seconds / part.share, settings.batches.size(), part.updates,
      part.seconds, part.updates < settings.batches.size() ? "true" : "false");
}

/// Groups of steps on a sample of the batches, the directions in turn.
void time_steps(const Settings& settings, Device& device, std::map<Direction, std::unique_ptr<Trainer>>& trainers) {
  const size_t group = settings.quick ? 2 : 8, passes = settings.quick ? 2 : 3;
  const std::vector<size_t> sample = sample_of(settings, settings.quick ? 4 : 64);
  std::map<Direction, std::vector<double>> seconds;
  int64_t tokens = 0;
  for (const size_t at : sample) tokens += settings.epoch[at].tokens();
  for (size_t pass = 0; pass < passes; ++pass) {
    for (size_t first = 0; first < sample.size(); first += group) {
      for (const Direction direction : kDirections) {
        Trainer& trainer = *trainers[direction];
        const size_t end = std::min(sample.size(), first + group);
        const double taken = seconds_of([&] {
          for (size_t i = first; i < end; ++i) trainer.step({settings.batches[sample[i]]});
          device.synchronize();
        });
        seconds[direction].push_back(taken / double(end - first));
      }
    }
  }
  for (const Direction direction : kDirections) {
    const auto& times = seconds[direction];
    const double mean = std::accumulate(times.begin(), times.end(), 0.0) / double(times.size());
    const StepMetrics metrics = trainers[direction]->metrics();
    print_row(
        "{\"row\":\"step\",\"side\":\"rdrop\",\"direction\":\"%s\",\"precision\":\"%s\",%s,"
        "\"stepsPerGroup\":%zu,\"steps\":%zu,\"batches\":%zu,\"stepsPerSecond\":%.5g,\"tokensPerSecond\":%.6g,"
        "\"graphs\":%lld,\"graphFallbackReason\":%s,\"skipped\":%lld}",
        name_of(direction), name_of(settings.type), spread(times).c_str(), group, passes * sample.size(), sample.size(),
        1 / mean, double(tokens) / double(sample.size()) / mean, static_cast<long long>(metrics.graphs),
        json_text(metrics.graph_fallback_reason).c_str(), static_cast<long long>(metrics.skipped));
  }
}

}  // namespace

bool time_recording(const Settings& settings, Device& device) {
  const auto trainer = make_trainer(settings, device, Direction::uni, settings.type);
  const std::vector<size_t> sample = sample_of(settings, settings.quick ? 4 : 24);
  std::vector<double> first, second, later;
  int64_t before = 0;
  for (const size_t at : sample) {
    for (int run = 0; run < 5; ++run) {
      const double seconds = seconds_of([&] {
        trainer->step({settings.batches[at]});
        device.synchronize();
      });
      (run == 0 ? first : run == 1 ? second : later).push_back(seconds);
    }
  }
  const StepMetrics metrics = trainer->metrics();
  before = metrics.graphs;
  print_row(
      "{\"row\":\"recording\",\"shapes\":%zu,\"graphs\":%lld,\"graphFallbackReason\":%s,\"eager\":{%s},"
      "\"capture\":{%s},\"replay\":{%s}}",
      sample.size(), static_cast<long long>(before), json_text(metrics.graph_fallback_reason).c_str(),
      spread(first).c_str(), spread(second).c_str(), spread(later).c_str());
  return metrics.graph_fallback_reason.empty();
}

bool time_epochs(const Settings& settings, Device& device) {
  std::map<Direction, std::unique_ptr<Trainer>> trainers;
  double losses[2] = {0, 0};
  for (const Direction direction : kDirections) {
    device.reset_peak();
    trainers[direction] = make_trainer(settings, device, direction, settings.type);
    print_epoch("first epoch", settings, direction, run_epoch(settings, device, *trainers[direction]));
    const StepMetrics metrics = trainers[direction]->metrics();
    losses[direction == Direction::bi] = metrics.sums.loss / double(metrics.sums.tokens);
    if (direction == Direction::uni) {
      print_row(
          "{\"row\":\"memory\",\"side\":\"rdrop\",\"direction\":\"uni\",\"precision\":\"%s\",\"peakBytes\":%lld,"
          "\"batches\":%zu,\"graphs\":%lld}",
          name_of(settings.type), static_cast<long long>(device.info().peak_bytes), settings.batches.size(),
          static_cast<long long>(metrics.graphs));
    }
  }
  time_steps(settings, device, trainers);
  for (const Direction direction : kDirections) {
    print_epoch("epoch", settings, direction, run_epoch(settings, device, *trainers[direction]));
    const StepMetrics metrics = trainers[direction]->metrics();
    const double loss = metrics.sums.loss / double(metrics.sums.tokens);
    print_row("{\"row\":\"losses\",\"direction\":\"%s\",\"firstEpoch\":%.6g,\"secondEpoch\":%.6g}", name_of(direction),
              losses[direction == Direction::bi], loss);
    if (!std::isfinite(loss)) return false;
  }
  return true;
}

bool time_translation(const Settings& settings, Device& device) {
  const Transformer model(settings.model, settings.type, 64, &device);
  std::vector<int32_t> all, lengths;
  for (const BatchLengths& batch : settings.epoch) all.insert(all.end(), batch.source.begin(), batch.source.end());
  std::sort(all.begin(), all.end());
  // A validation set of the published size; the published split takes every 23rd pair of the corpus.
  const size_t sentences = settings.quick ? 6 : 7283;
  for (size_t i = 0; i < sentences; ++i) lengths.push_back(all[(2 * i + 1) * all.size() / (2 * sentences)]);
  const int64_t most_tokens = settings.quick ? 64 : 8192;
  TokenSource tokens(65, settings.model.vocab_size);
  std::vector<Packed> batches;
  std::vector<int32_t> open;
  for (const int32_t length : lengths) {
    if (int64_t(open.size() + 1) * length > most_tokens && !open.empty()) {
      batches.push_back(tokens(open));
      open.clear();
    }
    open.push_back(length);
  }
  batches.push_back(tokens(open));
  const BeamOptions beam{5, 1, 1.2, 10, 1, 1};
  std::string reason = beam_search(model, batches.front(), beam).graph_fallback_reason;  // warm
  int64_t generated = 0, translated = 0;
  const double seconds = seconds_of([&] {
    double so_far = 0;
    for (const Packed& batch : batches) {
      if (so_far > settings.seconds) break;
      so_far += seconds_of([&] {
        for (const auto& hypotheses : beam_search(model, batch, beam).hypotheses) {
          generated += int64_t(hypotheses.at(0).tokens.size());
          ++translated;
        }
      });
    }
  });
  print_row(
      "{\"row\":\"validation\",\"side\":\"rdrop\",\"precision\":\"%s\",\"seconds\":%.4g,\"sentences\":%lld,"
      "\"beam\":5,\"maxLength\":\"1.2 x source + 10\",\"batches\":%zu,\"generatedTokens\":%lld,"
      "\"graphFallbackReason\":%s,\"model\":\"untrained\"}",
      name_of(settings.type), seconds, static_cast<long long>(translated), batches.size(),
      static_cast<long long>(generated), json_text(reason).c_str());
  return true;
}

}  // namespace rdrop::gpu
