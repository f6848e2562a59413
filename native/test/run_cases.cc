// What the cases use, and what runs them; see check.h.
#include <cmath>
#include <cstdio>
#include <sstream>
#include <stdexcept>

#include "device/emulated/block.h"
#include "test/check.h"

namespace rdrop {

namespace test {
namespace {

std::vector<RegisteredCase>& registry() {
  static std::vector<RegisteredCase> cases;
  return cases;
}

}  // namespace

Case::Case(std::string name, std::function<void()> body) {
  registry().push_back({std::move(name), std::move(body)});
}

const std::vector<RegisteredCase>& all_cases() {
  return registry();
}

bool run_case(const RegisteredCase& registered) {
  const char* name = registered.name.c_str();
  bool passed = false;
  try {
    registered.body();
    std::printf("ok %s\n", name);
    passed = true;
  } catch (const std::exception& error) {
    std::printf("FAILED %s: %s\n", name, error.what());
  }
  std::fflush(stdout);
  return passed;
}

void expect(bool condition, const std::string& message) {
  if (!condition) throw std::runtime_error(message);
}

void expect_close(const std::string& what, const std::vector<double>& actual, const std::vector<double>& expected,
                  double relative, double absolute) {
  expect(actual.size() == expected.size(),
         what + ": " + std::to_string(actual.size()) + " numbers instead of " + std::to_string(expected.size()));
  size_t worst = 0;
  double excess = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double beyond = std::abs(actual[i] - expected[i]) - (absolute + relative * std::abs(expected[i]));
    if (!(beyond <= excess)) {  // NaN is beyond everything
      excess = beyond;
      worst = i;
      if (std::isnan(beyond)) break;
    }
  }
  if (!(excess <= 0)) {
    std::ostringstream message;
    message.precision(12);
    message << what << "[" << worst << "]: " << actual[worst] << " instead of " << expected[worst];
    throw std::runtime_error(message.str());
  }
}

std::vector<double> normal(size_t count, uint64_t seed, double deviation) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> distribution(0, deviation);
  std::vector<double> values(count);
  for (double& value : values) value = distribution(generator);
  return values;
}

void in_every_order(const std::function<void()>& body) {
  for (const uint64_t seed : {0, 1, 17}) {
    set_emulated_order(seed);
    body();
  }
  set_emulated_order(0);
}

}  // namespace test
}  // namespace rdrop

/// Prints "ok NAME" or "FAILED NAME: reason" a line; 1 on failure.
extern "C" __attribute__((visibility("default"))) int rdrop_run_kernel_tests(const char* wanted) {
  int failures = 0;
  for (const auto& registered : rdrop::test::all_cases()) {
    if (registered.name.find(wanted) != std::string::npos && !rdrop::test::run_case(registered)) ++failures;
  }
  return failures ? 1 : 0;
}
