// See network.h.
#include "distributed/network.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "core/errors.h"

namespace rdrop {
namespace {

struct Socket {
  int descriptor;
  ~Socket() {
    if (descriptor >= 0) close(descriptor);
  }
};

/// The local end of a datagram socket towards an address; nothing is sent. Empty: there is no way.
std::string local_end(const addrinfo& address) {
  const Socket socket{::socket(address.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (socket.descriptor < 0 || connect(socket.descriptor, address.ai_addr, address.ai_addrlen) != 0) return {};
  sockaddr_storage local{};
  socklen_t size = sizeof(local);
  auto* pointer = reinterpret_cast<sockaddr*>(&local);
  char name[NI_MAXHOST];
  if (getsockname(socket.descriptor, pointer, &size) != 0 ||
      getnameinfo(pointer, size, name, sizeof(name), nullptr, 0, NI_NUMERICHOST) != 0)
    return {};
  return name;
}

}  // namespace

std::string address_towards(const std::string& host, int64_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (status != 0) {
    fail(ErrorCode::distributed_unavailable, "the address where the ranks meet: ", host, " is not known (",
         gai_strerror(status), ")");
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(found, freeaddrinfo);
  for (const addrinfo* address = found; address; address = address->ai_next) {
    const std::string local = local_end(*address);
    if (!local.empty()) return local;
  }
  fail(ErrorCode::distributed_unavailable, "the address where the ranks meet: there is no way to ", host, " (",
       std::strerror(errno), ")");
}

int listen_on_loopback(const std::string& address, int64_t port) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(uint16_t(port));
  if (inet_pton(AF_INET, address.c_str(), &place.sin_addr) != 1 || address.rfind("127.", 0) != 0) return -1;
  Socket socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const int on = 1;
  setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (socket.descriptor < 0 || bind(socket.descriptor, reinterpret_cast<sockaddr*>(&place), sizeof(place)) != 0 ||
      listen(socket.descriptor, SOMAXCONN) != 0) {
    fail(ErrorCode::distributed_unavailable, "rank 0 cannot serve the store of the run at ", address, ":", port, " (",
         std::strerror(errno), "). Is the port taken?");
  }
  return std::exchange(socket.descriptor, -1);
}

}  // namespace rdrop
