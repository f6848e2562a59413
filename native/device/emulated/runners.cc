// See runners.h.
#include "device/emulated/runners.h"

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

namespace rdrop {
namespace {

struct Entry {
  EmulatedRunner runner;
  bool ambiguous;
};

/// By source file and name of the type.
using Entries = std::map<std::pair<std::string, std::string>, Entry>;

Entries& entries() {
  static Entries all;
  return all;
}

}  // namespace

bool add_emulated_runner(const char* source, const char* type_name, const EmulatedRunner& runner) {
  int status = 0;
  char* name = abi::__cxa_demangle(type_name, nullptr, nullptr, &status);
  const auto [place, added] = entries().try_emplace(
      {std::filesystem::path(source).stem().string(), name ? name : type_name}, Entry{runner, false});
  if (!added) place->second.ambiguous = true;
  std::free(name);
  return added;
}

}  // namespace rdrop

extern "C" __attribute__((visibility("default"))) const rdrop::EmulatedRunner* rdrop_find_emulated_runner(
    const char* source, const char* name) {
  const auto found = rdrop::entries().find({source, name});
  return found == rdrop::entries().end() || found->second.ambiguous ? nullptr : &found->second.runner;
}

extern "C" __attribute__((visibility("default"))) bool rdrop_run_emulated(const rdrop::EmulatedRunner* runner,
                                                                          const void* kernel, int64_t blocks,
                                                                          int threads, size_t shared_bytes, char* error,
                                                                          size_t error_bytes) {
  try {
    runner->run(kernel, blocks, threads, shared_bytes);
    return true;
  } catch (const std::exception& failure) {
    std::snprintf(error, error_bytes, "%s", failure.what());
    return false;
  }
}
