// Beam search on a device: the search itself runs there too, and the host asks now and then whether it has ended.
#pragma once

#include <vector>

#include "decode/hypothesis.h"
#include "model/batch.h"
#include "model/transformer.h"

namespace rdrop {

/// As beam_search of decode/beam_search.h; the sources are checked.
std::vector<std::vector<Hypothesis>> beam_search_on(Device& device, const Transformer& model, const Packed& sources,
                                                    const BeamOptions& options);

}  // namespace rdrop
