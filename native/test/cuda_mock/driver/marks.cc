// The marks at which gradients of the CPU begin to travel: see commands.h.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "test/cuda_mock/driver/commands.h"
#include "test/cuda_mock/driver/mock.h"
#include "test/cuda_mock/driver/training.h"

namespace cuda_mock::driver {
namespace {

using namespace rdrop;

void look_at(const ModelConfig& config, std::vector<std::string>& faults) {
  const std::string norm = config.pre_norm ? "pre-norm" : "post-norm";
  Transformer model(config, at::kFloat, 3);
  LossOptions loss;
  loss.alpha = 5;
  loss.ignore_index = kPad;
  const at::Tensor& gradient = model.parameters().gradient;
  std::vector<std::pair<int64_t, at::Tensor>> marks;
  model.loss_and_gradients(small_batches(1, config)[0], loss, {true, 0, 0}, [&](int64_t offset) {
    marks.emplace_back(offset, gradient.narrow(0, offset, gradient.numel() - offset).clone());
  });
  if (marks.size() != size_t(config.encoder_layers + config.decoder_layers)) {
    faults.push_back(norm + ": " + std::to_string(marks.size()) + " marks");
  }
  int64_t last = gradient.numel();
  for (const auto& [offset, then] : marks) {
    const std::string where = norm + ", from " + std::to_string(offset) + " on";
    if (offset >= last) faults.push_back(where + ": not before the mark before it");
    last = offset;
    const at::Tensor now = gradient.narrow(0, offset, then.numel());
    if (std::memcmp(now.const_data_ptr(), then.const_data_ptr(), then.nbytes()) != 0) {
      faults.push_back(where + ": gradients were not final");
    }
  }
}

}  // namespace

int marks(const Options& options) {
  std::vector<std::string> faults;
  ModelConfig config = model_config(options);
  config.decoder_layers = 3;
  for (const bool pre_norm : {false, true}) {
    config.pre_norm = pre_norm;
    look_at(config, faults);
  }
  std::printf("{\"faults\":%s}\n", json_list(faults).c_str());
  return faults.empty() ? 0 : 1;
}

}  // namespace cuda_mock::driver
