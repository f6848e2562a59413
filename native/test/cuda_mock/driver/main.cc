// Trains with the core, the real librdrop_cuda.so and the real CUDA build of libtorch on the mock CUDA runtime, which
// has to be preloaded (../README.md). cuda_mock_driver COMMAND name=value…: prints one JSON object. Exit status 1:
// something was violated or differs.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include "test/cuda_mock/driver/commands.h"
#include "test/cuda_mock/driver/mock.h"

int main(int count, char** arguments) {
  std::signal(SIGPIPE, SIG_IGN);  // as Node does: libtorch writes to sockets whose other end may be gone
  using namespace cuda_mock::driver;
  struct Command {
    const char* name;
    int (*run)(const Options&);
  };
  constexpr Command kCommands[] = {
      {"epoch", epoch},           {"compare", compare}, {"lifetimes", lifetimes},     {"failures", failures},
      {"rules", rules},           {"models", models},   {"collectives", collectives}, {"ranks", ranks},
      {"generation", generation}, {"marks", marks}};
  for (const Command& command : kCommands) {
    if (count < 2 || std::strcmp(arguments[1], command.name) != 0) continue;
    try {
      return command.run(Options(count, arguments));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 1;
    }
  }
  std::fprintf(stderr,
               "expected a command: epoch, compare, lifetimes, failures, rules, models, collectives, ranks, generation "
               "or marks\n");
  return 2;
}
