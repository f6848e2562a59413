// Texts that a language model goes on with. V types, L positions at most.
#pragma once

#include <cstdint>
#include <vector>

#include "generation/sampling.h"
#include "model/batch.h"
#include "model/transformer.h"

namespace rdrop {

struct GenerationOptions {
  int64_t max_tokens;
  bool until_eos;  ///< a text ends with its first eos; else at max_tokens alone
  int64_t beam;    ///< beam search over so many texts, to the most probable one; 0: tokens are drawn
  SamplingOptions sampling;
  uint64_t seed;
  uint64_t first;  ///< number of the first prompt: a text's random numbers hang on the seed and its number
};

struct Generated {
  std::vector<int32_t> tokens;           ///< those behind the prompt, eos included
  std::vector<float> log_probabilities;  ///< one a token, of the model itself
};

/// Goes on with every prompt, whose tokens are what the network reads and which are not empty. A network sees at most L
/// tokens: where a text is longer, its last L, at positions 0 to L - 1. Keys and values are cached while a text is no
/// longer than that; beyond, the network reads those L anew for each token. Throws INVALID_ARGUMENT where the network
/// is more than a decoder or a prompt is empty, TOKEN_OUT_OF_RANGE, NON_FINITE.
std::vector<Generated> generate(const Transformer& model, const Packed& prompts, const GenerationOptions& options);

}  // namespace rdrop
