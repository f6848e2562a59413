// Beam search with cached keys and values: fairseq's SequenceGenerator.
#pragma once

#include <cstdint>
#include <vector>

#include "decode/hypothesis.h"
#include "model/batch.h"
#include "model/transformer.h"

namespace rdrop {

/// n_best hypotheses a source, best first; on the model's device where it has one.
std::vector<std::vector<Hypothesis>> beam_search(const Transformer& model, const Packed& sources,
                                                 const BeamOptions& options);

}  // namespace rdrop
