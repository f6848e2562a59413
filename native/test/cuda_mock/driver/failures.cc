// Calls that fail, one at a time: see commands.h.
#include <c10/cuda/CUDACachingAllocator.h>

#include <cmath>
#include <cstdio>
#include <map>

#include "core/errors.h"
#include "test/cuda_mock/driver/commands.h"
#include "test/cuda_mock/driver/mock.h"
#include "test/cuda_mock/driver/training.h"

namespace cuda_mock::driver {
namespace {

using namespace rdrop;

/// What training did while a call failed.
struct Attempt {
  std::string code;  ///< of the first error; empty: nothing was thrown
  std::string message;
  bool uncoded = false;  ///< something else than a coded error was thrown
  bool finite = false;   ///< the training afterwards
  std::string after;     ///< what it threw then
};

template <class F>
bool caught(F&& f, std::string& code, std::string& message, bool& uncoded) {
  try {
    f();
    return false;
  } catch (const Error& error) {
    if (code.empty()) {
      code = name_of(error.code());
      message = error.what();
    }
  } catch (const std::exception& error) {
    uncoded = true;
    message = error.what();
  }
  return true;
}

Attempt attempt(const Options& options, Device& device, const std::string& kind, long nth, long& calls) {
  Attempt result;
  std::unique_ptr<Training> training;
  const auto make = [&] { training = std::make_unique<Training>(make_training(options, device)); };
  const bool with_model = options.number("with_model", 1) != 0;
  if (!with_model) make();
  const auto batches = small_batches(2, model_config(options));
  c10::cuda::CUDACachingAllocator::emptyCache();
  mock_fail(kind.c_str(), nth);
  if (with_model) caught(make, result.code, result.message, result.uncoded);
  for (int update = 0; training && update < 4; ++update) {
    caught([&] { training->trainer->step({batches[size_t(update) % 2]}); }, result.code, result.message,
           result.uncoded);
  }
  if (training) caught([&] { training->trainer->metrics(); }, result.code, result.message, result.uncoded);
  calls = mock_calls(kind.c_str());
  mock_fail("", 0);
  std::string code;
  bool uncoded = false;
  const bool threw = caught(
      [&] {
        if (!training) make();
        for (int update = 0; update < 2; ++update) training->trainer->step({batches[0]});
        result.finite = std::isfinite(training->trainer->metrics().sums.loss);
        training.reset();
        make();
        for (int update = 0; update < 3; ++update) training->trainer->step({batches[0]});
        const StepMetrics metrics = training->trainer->metrics();
        if (metrics.graphs == 0)
          fail(ErrorCode::internal, "a new trainer records no graph: ", metrics.graph_fallback_reason);
      },
      code, result.after, uncoded);
  if (threw) result.after = code + ": " + result.after;
  return result;
}

}  // namespace

int failures(const Options& options) {
  const std::string kind = options.text("kind", "all");
  Device& device = cuda_device(options);
  bool good = true;
  std::map<std::string, long> codes;
  std::vector<std::string> faults;
  long calls = 0, nth = options.number("from", 1);
  const long step = options.number("step", 1), last = options.number("to", 1000000);
  long tried = 0;
  for (; nth <= last; nth += step) {
    const Attempt result = attempt(options, device, kind, nth, calls);
    if (calls < nth) break;
    ++tried;
    ++codes[result.code.empty() ? "none" : result.code];
    const bool lost = kind == "lost";
    if (result.uncoded || (!lost && (!result.finite || !result.after.empty()))) {
      good = false;
      faults.push_back(std::to_string(nth) + ": " + result.message + "; afterwards " +
                       (result.after.empty() ? "not finite" : result.after));
    }
    if (lost) break;  // nothing works any more in this process
  }
  const auto broken = violations();
  std::printf("{\"kind\":\"%s\",\"tried\":%ld,\"calls\":%ld,\"codes\":{", kind.c_str(), tried, calls);
  bool first = true;
  for (const auto& [code, count] : codes) {
    std::printf("%s\"%s\":%ld", first ? "" : ",", code.c_str(), count);
    first = false;
  }
  std::printf("},\"faults\":%s,\"violations\":%s}\n", json_list(faults).c_str(), json_list(broken).c_str());
  return good && broken.empty() ? 0 : 1;
}

}  // namespace cuda_mock::driver
