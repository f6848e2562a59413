// The mock as the driver sees it.
#pragma once

#include <string>
#include <vector>

#include "test/cuda_mock/control.h"

namespace cuda_mock::driver {

/// The rules that were broken so far, at most 1,000.
std::vector<std::string> violations();

}  // namespace cuda_mock::driver
