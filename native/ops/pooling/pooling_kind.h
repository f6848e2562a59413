// How a sequence becomes one row.
#pragma once

#include <stdint.h>

namespace rdrop {

/// first: the state of the first token; mean: that of all tokens, averaged.
enum class Pooling : int32_t { first, mean };

}  // namespace rdrop
