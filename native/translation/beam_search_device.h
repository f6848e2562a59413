// Beam search on a device: the search itself runs there too, and the host asks now and then whether it has ended.
#pragma once

#include "translation/beam_search.h"

namespace rdrop {

/// As beam_search of translation/beam_search.h; the sources are checked.
Translations beam_search_on(Device& device, const Transformer& model, const Packed& sources,
                            const BeamOptions& options);

}  // namespace rdrop
