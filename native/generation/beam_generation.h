// The most probable text behind a prompt, by beam search.
#pragma once

#include "generation/generation.h"
#include "generation/text_decoder.h"

namespace rdrop {

/// As generate(), one prompt of at most L tokens, which are in the dictionary. Of the texts that end in eos, or have
/// max_tokens tokens, the one whose log-probability by token is the highest; options.beam texts are followed. The
/// decoder is begun anew.
Generated generate_by_beam(const Transformer& model, const std::vector<int32_t>& prompt,
                           const GenerationOptions& options, TextDecoder& decoder);

}  // namespace rdrop
