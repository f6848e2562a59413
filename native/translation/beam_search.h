// Beam search with cached keys and values: fairseq's SequenceGenerator.
#pragma once

#include <string>
#include <vector>

#include "translation/hypothesis.h"
#include "model/batch.h"
#include "model/transformer.h"

namespace rdrop {

struct Translations {
  std::vector<std::vector<Hypothesis>> hypotheses;  ///< n_best a source, best first
  std::string graph_fallback_reason;  ///< why a device's steps were launched kernel by kernel; empty: they were not
};

/// Translates on the model's device where it has one.
Translations beam_search(const Transformer& model, const Packed& sources, const BeamOptions& options);

}  // namespace rdrop
