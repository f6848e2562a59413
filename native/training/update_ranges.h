// Which parameters are updated how: rates of their own, decay or none, or not at all.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/parameters.h"

namespace rdrop {

/// How one parameter is updated.
struct ParameterGroup {
  std::string name;
  double rate;  ///< its learning rate over the schedule's; 0: it stays as it is and its gradient counts for no norm
  bool decay;   ///< whether it decays
};

/// A stretch of the flat buffers whose parameters are updated alike.
struct UpdateRange {
  int64_t begin, end;
  double rate;
  bool decay;
};

/// The stretches of the parameters in the order of the buffer, as long as they can be; the padding behind a parameter
/// is its own. groups: one for each parameter, in any order. Throws INVALID_ARGUMENT.
std::vector<UpdateRange> update_ranges(const Parameters& parameters, const std::vector<ParameterGroup>& groups);

/// The stretches of those whose rate is not 0, whatever their rates and decay.
std::vector<UpdateRange> trained_ranges(const std::vector<UpdateRange>& ranges);

}  // namespace rdrop
