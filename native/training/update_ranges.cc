// See update_ranges.h.
#include "training/update_ranges.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/errors.h"

namespace rdrop {
namespace {

/// Adds a range, or makes the last one longer where both are alike.
void append(std::vector<UpdateRange>& ranges, const UpdateRange& next) {
  if (!ranges.empty()) {
    UpdateRange& last = ranges.back();
    if (last.end == next.begin && last.rate == next.rate && last.decay == next.decay) {
      last.end = next.end;
      return;
    }
  }
  ranges.push_back(next);
}

}  // namespace

std::vector<UpdateRange> update_ranges(const Parameters& parameters, const std::vector<ParameterGroup>& groups) {
  std::map<std::string, const ParameterGroup*> by_name;
  for (const ParameterGroup& group : groups) {
    if (!(group.rate >= 0 && std::isfinite(group.rate)))
      fail(ErrorCode::invalid_argument, "groups: expected a rate of 0 or more for ", group.name, ", got ", group.rate);
    if (!by_name.emplace(group.name, &group).second)
      fail(ErrorCode::invalid_argument, "groups: ", group.name, " is there twice");
  }
  if (by_name.size() != parameters.names.size())
    fail(ErrorCode::invalid_argument, "groups: expected one for each of the ", parameters.names.size(),
         " parameters, got ", by_name.size());
  std::vector<const NamedSlice*> slices;
  for (const NamedSlice& slice : parameters.names) slices.push_back(&slice);
  std::sort(slices.begin(), slices.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
  std::vector<UpdateRange> ranges;
  for (size_t i = 0; i < slices.size(); ++i) {
    const auto found = by_name.find(slices[i]->name);
    if (found == by_name.end()) fail(ErrorCode::invalid_argument, "groups: none for ", slices[i]->name);
    // Padding is 0 in all buffers and stays so, whichever range it lies in.
    const int64_t end = slices[i]->offset + slices[i]->size();
    const int64_t next = i + 1 < slices.size() ? slices[i + 1]->offset : parameters.flat.numel();
    append(ranges, {slices[i]->offset, next - end < 16 ? next : end, found->second->rate, found->second->decay});
  }
  return ranges;
}

std::vector<UpdateRange> trained_ranges(const std::vector<UpdateRange>& ranges) {
  std::vector<UpdateRange> trained;
  for (const UpdateRange& range : ranges) {
    if (range.rate > 0) append(trained, {range.begin, range.end, 1, true});
  }
  return trained;
}

}  // namespace rdrop
