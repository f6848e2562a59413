// How a sequence becomes one row.
#pragma once

#include <stdint.h>

namespace rdrop {

/// first: the state of the first token; mean: that of all tokens, averaged. A whole word, as mirrors.h wants it in a
/// kernel's arguments.
enum class Pooling : int64_t { first, mean };

}  // namespace rdrop
