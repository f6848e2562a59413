// Several models in one process: see commands.h.
#include <cstdio>

#include "test/cuda_mock/driver/commands.h"
#include "test/cuda_mock/driver/mock.h"
#include "test/cuda_mock/driver/training.h"

namespace cuda_mock::driver {
namespace {

using namespace rdrop;

/// Trains every training by turns, and returns the losses of each.
std::vector<std::vector<double>> losses_of(std::vector<Training>& trainings, long updates) {
  std::vector<std::vector<double>> losses(trainings.size());
  const auto batches = small_batches(2, trainings[0].model->config());
  for (long update = 0; update < updates; ++update) {
    for (Training& training : trainings) training.trainer->step({batches[size_t(update) % batches.size()]});
    for (size_t i = 0; i < trainings.size(); ++i) losses[i].push_back(trainings[i].trainer->metrics().sums.loss);
  }
  return losses;
}

/// How many products of float32 two steps compute as they are and in TF32, as JSON.
std::string products_of(Training& training) {
  const auto batches = small_batches(2, training.model->config());
  training.trainer->metrics();
  const long before[] = {mock_products(0), mock_products(1)};
  for (const PackedBatch& batch : batches) training.trainer->step({batch});
  training.trainer->metrics();
  return "{\"float32\":" + std::to_string(mock_products(0) - before[0]) +
         ",\"tf32\":" + std::to_string(mock_products(1) - before[1]) + "}";
}

}  // namespace

int models(const Options& options) {
  const long updates = options.number("updates", 4), devices = options.number("devices", 1);
  const Options second({{"precision", options.text("second_precision", "bfloat16")}});
  std::vector<double> alone[2];
  for (int i = 0; i < 2; ++i) {
    std::vector<Training> one;
    one.push_back(make_training(i == 0 ? options : second, cuda_device(options)));
    alone[i] = losses_of(one, updates)[0];
  }
  std::vector<Training> both;
  both.push_back(make_training(options, cuda_device(options)));
  both.push_back(make_training(second, cuda_device(options, devices > 1 ? 1 : 0)));
  const auto together = losses_of(both, updates);
  const bool first_same = together[0] == alone[0], second_same = together[1] == alone[1];
  const std::string first_products = products_of(both[0]), second_products = products_of(both[1]);
  const auto broken = violations();
  std::printf(
      "{\"updates\":%ld,\"firstLoss\":%.17g,\"secondLoss\":%.17g,\"firstSame\":%s,\"secondSame\":%s,"
      "\"firstProducts\":%s,\"secondProducts\":%s,\"violations\":%s}\n",
      updates, together[0].back(), together[1].back(), first_same ? "true" : "false", second_same ? "true" : "false",
      first_products.c_str(), second_products.c_str(), json_list(broken).c_str());
  return broken.empty() && first_same && second_same ? 0 : 1;
}

}  // namespace cuda_mock::driver
