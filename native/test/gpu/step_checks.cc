// What a device must agree with: the CPU's gradients and translations, and itself.
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "test/gpu/step.h"

namespace rdrop::gpu {
namespace {

/// Largest share of the gradient's norm that may be off: what products of this type round.
double allowed(at::ScalarType type) {
  return type == at::kFloat ? 1e-4 : type == at::kHalf ? 1e-2 : 5e-2;
}

struct Gradients {
  LossSums sums;
  at::Tensor flat;  // float64 on the host: every parameter's, in the order of their names, without what lies between
};

/// The device keeps parameters in another order than the CPU: what the projections of one product share lies together.
at::Tensor by_name(const Parameters& parameters, const at::Tensor& buffer) {
  std::map<std::string, const NamedSlice*> slices;
  for (const NamedSlice& slice : parameters.names) slices[slice.name] = &slice;
  at::Tensor flat = at::empty({parameters.count}, at::kDouble);
  double* to = flat.mutable_data_ptr<double>();
  for (const auto& [name, slice] : slices)
    to = std::copy_n(buffer.const_data_ptr<double>() + slice->offset, slice->size(), to);
  return flat;
}

Gradients gradients_of(const Settings& settings, const PackedBatch& batch, at::ScalarType type, Device* device) {
  Transformer model(settings.model, type, 64, device);
  const DeviceScope scope(device);
  at::Tensor& gradient = model.parameters().gradient;
  if (device) {
    device->memory().zero(gradient);
  } else {
    gradient.zero_();
  }
  DropoutKey key;
  key.on = true;
  key.update = 7;
  Gradients found;
  found.sums = model.loss_and_gradients(batch, paper_loss(LossOptions::Direction::bi), key);
  found.flat = by_name(model.parameters(), (device ? device->memory().download(gradient) : gradient).to(at::kDouble));
  return found;
}

/// The Euclidean distance of two vectors in double, and the length of one.
double distance(const at::Tensor& a, const at::Tensor& b) {
  const double *x = a.const_data_ptr<double>(), *y = b.const_data_ptr<double>();
  double sum = 0;
  for (int64_t i = 0; i < a.numel(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return std::sqrt(sum);
}
double length(const at::Tensor& a) {
  const double* x = a.const_data_ptr<double>();
  double sum = 0;
  for (int64_t i = 0; i < a.numel(); ++i) sum += x[i] * x[i];
  return std::sqrt(sum);
}

/// The first batch of about so many tokens a pass.
const PackedBatch& batch_of(const Settings& settings, int64_t tokens) {
  for (const PackedBatch& batch : settings.batches) {
    const int64_t size = batch.source.size() + batch.target.size();
    if (size < tokens && 4 * size > tokens) return batch;
  }
  return settings.batches.front();
}

PackedBatch first_pairs(const PackedBatch& batch, int64_t pairs) {
  const auto cut = [&](const Packed& all) {
    Packed some;
    some.offsets.assign(all.offsets.begin(), all.offsets.begin() + std::min(pairs, all.count()) + 1);
    some.tokens.assign(all.tokens.begin(), all.tokens.begin() + some.offsets.back());
    return some;
  };
  return {cut(batch.source), cut(batch.target), {}};
}

}  // namespace

bool check_gradients(const Settings& settings, Device& device) {
  const PackedBatch batch = first_pairs(batch_of(settings, 8192), 40);
  const Gradients truth = gradients_of(settings, batch, at::kDouble, nullptr);
  const double norm = length(truth.flat);
  bool agreed = true;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    if (settings.type == at::kFloat && type != at::kFloat) break;
    const Gradients found = gradients_of(settings, batch, type, &device);
    const double error = distance(found.flat, truth.flat) / norm;
    const double loss_error = std::abs(found.sums.loss - truth.sums.loss) / std::abs(truth.sums.loss);
    const bool passed = error <= allowed(type) && loss_error <= allowed(type);
    agreed = agreed && passed;
    print_row(
        "{\"row\":\"gradients\",\"precision\":\"%s\",\"pairs\":%lld,\"relativeError\":%.3g,\"lossError\":%.3g,"
        "\"allowed\":%.3g,\"passed\":%s}",
        name_of(type), static_cast<long long>(batch.source.count()), error, loss_error, allowed(type),
        passed ? "true" : "false");
  }
  return agreed;
}

bool check_same_bits(const Settings& settings, Device& device) {
  bool agreed = true;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    if (settings.type == at::kFloat && type != at::kFloat) break;
    std::vector<at::Tensor> found;
    for (int run = 0; run < 2; ++run) {
      const auto trainer = make_trainer(settings, device, LossOptions::Direction::bi, type);
      // The third step of a batch is replayed, the first is not.
      for (int step = 0; step < 12; ++step) {
        trainer->step({settings.batches[size_t(step % 4) * settings.batches.size() / 4]});
      }
      trainer->metrics();
      found.push_back(device.memory().download(trainer->model().parameters().flat));
    }
    const bool same = std::memcmp(found[0].const_data_ptr(), found[1].const_data_ptr(), found[0].nbytes()) == 0;
    agreed = agreed && same;
    print_row("{\"row\":\"same bits\",\"precision\":\"%s\",\"updates\":12,\"passed\":%s}", name_of(type),
              same ? "true" : "false");
  }
  return agreed;
}

bool check_translations(const Settings& settings, Device& device) {
  const Packed sources = first_pairs(batch_of(settings, 8192), 24).source;
  const BeamOptions beam{5, 1, 1, 5, 1, 1};
  const Transformer on_cpu(settings.model, at::kFloat, 64), on_device(settings.model, at::kFloat, 64, &device);
  const auto expected = beam_search(on_cpu, sources, beam), found = beam_search(on_device, sources, beam);
  int64_t same = 0;
  double worst = 0;
  for (size_t i = 0; i < expected.hypotheses.size(); ++i) {
    const Hypothesis &a = expected.hypotheses[i].at(0), &b = found.hypotheses.at(i).at(0);
    same += a.tokens == b.tokens;
    worst = std::max(worst, std::abs(a.score - b.score) / std::abs(a.score));
  }
  // An untrained network gives many continuations nearly the same probability: scores must agree, tokens may not.
  const bool passed = worst <= 1e-4;
  print_row(
      "{\"row\":\"translations\",\"precision\":\"float32\",\"sentences\":%zu,\"same\":%lld,\"worstScore\":%.3g,"
      "\"graphFallbackReason\":%s,\"passed\":%s}",
      expected.hypotheses.size(), static_cast<long long>(same), worst, json_text(found.graph_fallback_reason).c_str(),
      passed ? "true" : "false");
  return passed;
}

}  // namespace rdrop::gpu
