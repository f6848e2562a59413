// Names and interfaces of the network.
#pragma once

#include <cstdint>
#include <string>

namespace rdrop {

/// This machine's own address on the way to a host: that of the interface which the route takes. Throws
/// DISTRIBUTED_UNAVAILABLE where the name or the way is unknown.
std::string address_towards(const std::string& host, int64_t port);

/// A socket that listens at the port of an address of this machine where that is one of loopback, which other machines
/// cannot reach; -1: it is not. Throws DISTRIBUTED_UNAVAILABLE where the port is taken.
int listen_on_loopback(const std::string& address, int64_t port);

}  // namespace rdrop
