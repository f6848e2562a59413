// The most probable text behind a prompt, by beam search.
#pragma once

#include "generation/generation.h"
#include "translation/incremental_decoder.h"

namespace rdrop {

/// As generate(), one prompt of at most L tokens, which are in the dictionary. Of the texts that end in eos, or have
/// max_tokens tokens, the one whose log-probability by token is the highest; options.beam texts are followed. memory:
/// of the decoder, which the next call takes over.
Generated generate_by_beam(const Transformer& model, const std::vector<int32_t>& prompt,
                           const GenerationOptions& options, DecoderMemory& memory);

}  // namespace rdrop
