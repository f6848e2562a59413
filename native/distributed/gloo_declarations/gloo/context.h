// What ProcessGroupGloo.hpp of libtorch needs of Gloo's headers, which libtorch's packages leave out while libtorch_cpu
// holds the functions: declarations of Gloo's own (github.com/pytorch/gloo), in files of the same names.
#pragma once

#include <chrono>

namespace gloo {

class Context {
 public:
  void closeConnections();
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
