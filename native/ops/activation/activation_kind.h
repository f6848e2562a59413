// Which activation a feed-forward layer has.
#pragma once

#include <stdint.h>

namespace rdrop {

enum class Activation : int32_t { relu, gelu };

}  // namespace rdrop
