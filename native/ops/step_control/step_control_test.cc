// Step control under the emulated grid: the loss scale against fairseq's own, the metrics against plain sums.
#include "ops/step_control/step_control_kernel.h"

#include <cmath>
#include <limits>

#include "test/check.h"

namespace rdrop::test {
namespace {

struct Scenario {
  const char* name;
  int64_t window;
  std::string steps;
  std::vector<double> scales;
  bool ended;
};

const std::vector<Scenario> scenarios = {
#include "ops/step_control/loss_scale_truth.h"
};

StepControl control_of(StepState& state, bool dynamic, int64_t window) {
  return {&state, {5e-4, 1e-7, 4, ScheduleKind::inverse_sqrt}, 0.9, 0.98, 1e-4, 0, dynamic, window};
}

/// One step whose losses were 10, 8, 2 over 4 tokens and whose gradient had this sum of squares.
void step(const StepControl& control, double squares) {
  const StepLaunchers launch = step_launchers();
  launch.begin(control, nullptr);
  DeviceLossSums& sums = control.state->sums = {};
  sums.cross_entropy = 10, sums.nll = 8, sums.kl = 2, sums.tokens = 4, sums.weighted_kl = 6;
  control.state->squares = squares;
  launch.finish(control, nullptr);
}

StepState fresh(float loss_scale) {
  StepState state{};
  state.loss_scale = loss_scale;
  state.last_overflow = -1;
  state.present = 1;
  return state;
}

void as_fairseq() {
  for (const Scenario& scenario : scenarios) {
    StepState state = fresh(kFirstLossScale);
    const StepControl control = control_of(state, true, scenario.window);
    int64_t overflows = 0;
    for (size_t i = 0; i < scenario.steps.size(); ++i) {
      const bool overflow = scenario.steps[i] == 'x';
      const double scale = state.loss_scale;
      step(control, overflow ? std::numeric_limits<double>::infinity() : 16 * 9.0 * scale * scale);
      const std::string at = std::string(scenario.name) + ", step " + std::to_string(i + 1);
      if (i < scenario.scales.size()) {
        expect(state.loss_scale == scenario.scales[i],
               at + ": loss scale " + std::to_string(state.loss_scale) + " instead of fairseq's");
        expect(state.failed == 0, at + ": failed although fairseq went on");
        overflows += overflow;
        expect(state.coefficients.apply == (overflow ? 0 : 1), at + ": applied where it must not be, or not applied");
      } else {
        expect(state.failed == int64_t(i) + 1, at + ": did not end where fairseq's smallest scale ended it");
      }
    }
    const auto steps = int64_t(scenario.scales.size());
    expect(state.attempts == steps && state.updates == steps - overflows && state.window.skipped == overflows,
           std::string(scenario.name) + ": wrong counts");
    expect((state.failed != 0) == scenario.ended, std::string(scenario.name) + ": ended or not");
  }
}

const Case loss_scale{"step control: the loss scale is fairseq's", as_fairseq};

const Case metrics{
    "step control: metrics, rate and coefficients", [] {
      StepState state = fresh(1);
      const StepControl control = control_of(state, false, 1);
      for (int i = 0; i < 7; ++i) step(control, 16 * 9.0);
      const StepWindow& w = state.window;
      expect(w.steps == 7 && w.skipped == 0 && state.updates == 7 && state.attempts == 7, "counts");
      expect_close("sums", {w.cross_entropy, w.nll, w.kl, w.tokens, w.weighted_kl}, {70, 56, 14, 28, 42}, 0, 0);
      expect_close("norm", {w.gradient_norm}, {7 * 3.0}, 1e-12, 0);  // sqrt(144) / 4 tokens
      const double rate = 5e-4 * std::sqrt(4.0) / std::sqrt(6.0);
      expect_close("rate", {w.learning_rate}, {rate}, 1e-12, 0);
      const AdamCoefficients& c = state.coefficients;
      const double size = rate * std::sqrt(1 - std::pow(0.98, 7)) / (1 - std::pow(0.9, 7));
      expect_close("coefficients", {c.gradient_scale, c.decay, c.step_size}, {0.25, rate * 1e-4, size}, 1e-6, 0);
    }};

const Case clipping{"step control: clipping scales the gradient to the norm", [] {
                      StepState state = fresh(1);
                      StepControl control = control_of(state, false, 1);
                      control.clip_norm = 1.5;
                      step(control, 16 * 9.0);
                      expect_close("scale", {state.coefficients.gradient_scale}, {0.25 * 1.5 / (3 + 1e-6)}, 1e-6, 0);
                    }};

const Case masks{"step control: masks count attempts and micro-batches", [] {
                   StepState state = fresh(kFirstLossScale);
                   const StepControl control = control_of(state, true, 100);
                   const StepLaunchers launch = step_launchers();
                   step(control, std::numeric_limits<double>::quiet_NaN());
                   launch.begin(control, nullptr);
                   expect(state.mask == (uint64_t{1} << 16), "the second attempt has the mask of another");
                   state.sums.tokens = 3;
                   launch.begin(control, nullptr);
                   expect(state.mask == (uint64_t{1} << 16 | 1), "the second micro-batch has the mask of another");
                   expect(state.sums.tokens == 3, "the sums of the first micro-batch are gone");
                   state.squares = 1;
                   launch.finish(control, nullptr);
                   launch.begin(control, nullptr);
                   expect(state.mask == (uint64_t{2} << 16) && state.sums.tokens == 0, "the next step starts anew");
                 }};

const Case failed{"step control: after a gradient that is not finite nothing is applied", [] {
                    StepState state = fresh(1);
                    const StepControl control = control_of(state, false, 1);
                    step(control, 1);
                    step(control, std::numeric_limits<double>::infinity());
                    expect(state.failed == 2 && state.coefficients.apply == 0 && state.attempts == 1, "not refused");
                    step(control, 1);
                    expect(state.failed == 2 && state.coefficients.apply == 0 && state.updates == 1, "went on");
                  }};

const Case incomplete{
    "step control: without the numbers of all ranks nothing is applied, nor after it", [] {
      StepState state = fresh(1);
      StepControl control = control_of(state, false, 1);
      control.ranks = 2;
      state.present = 2;
      step(control, 1);
      expect(state.updates == 1 && state.coefficients.apply == 1 && state.present == 1, "not applied");
      step(control, 1);
      expect(state.incomplete == 2 && state.coefficients.apply == 0 && state.updates == 1, "applied without a rank");
      expect(state.failed == 0 && state.window.steps == 1, "counted");
      state.present = 2;
      step(control, 1);
      expect(state.incomplete == 2 && state.coefficients.apply == 0 && state.updates == 1, "went on");
    }};

}  // namespace
}  // namespace rdrop::test
