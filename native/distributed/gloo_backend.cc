// Gloo: TCP between CPUs.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <cstdlib>

#include "distributed/backend.h"

namespace rdrop {
namespace {

class Gloo : public c10d::ProcessGroupGloo {
 public:
  using c10d::ProcessGroupGloo::ProcessGroupGloo;
  void close() {
    for (const auto& context : contexts_) context->closeConnections();
  }
};

}  // namespace

Backend gloo_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, const std::string& local,
                     std::chrono::milliseconds joining) {
  auto options = c10d::ProcessGroupGloo::Options::create(joining);
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  options->devices.push_back(interface && *interface ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                                                     : c10d::ProcessGroupGloo::createDeviceForHostname(local));
  options->threads = 2;
  const auto gloo = c10::make_intrusive<Gloo>(store, rank, size, options);
  return {gloo, [gloo] { gloo->close(); }};
}

}  // namespace rdrop
