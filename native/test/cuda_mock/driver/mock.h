// The mock as the driver sees it: control.h, found in the preloaded library.
#pragma once

#include <string>
#include <vector>

#include "test/cuda_mock/control.h"

namespace cuda_mock::driver {

std::vector<std::string> violations();

/// The functions of control.h; the driver ends with a message where the mock is not preloaded.
struct Control {
  decltype(&mock_violations) violations;
  decltype(&mock_forget_violations) forget_violations;
  decltype(&mock_fail) fail;
  decltype(&mock_calls) calls;
  decltype(&mock_order) order;
  decltype(&mock_limit_memory) limit_memory;
  decltype(&mock_memory) memory;
  decltype(&mock_is_allocated) is_allocated;
  decltype(&mock_nodes) nodes;
  decltype(&mock_graph_pointers) graph_pointers;
};
const Control& control();

}  // namespace cuda_mock::driver
