// How rows of probabilities are padded, so that kernels load and store whole vectors.
#pragma once

#include <stdint.h>

namespace rdrop {

/// Keys of a row of probabilities, padded: a multiple of one 64-byte vector of floats.
static inline int64_t attention_padded(int64_t keys) {
  return (keys + 15) / 16 * 16;
}

}  // namespace rdrop
