// What a GPU's steps are rounded and cut to. The emulated device takes the same where the two are compared.
#pragma once

#include <cstdint>

namespace rdrop {

/// Device::row_step. On the batches of IWSLT'14: 355 shapes, 2.1 % more rows, 183 sequences for 145 pairs.
constexpr int64_t kGpuRowStep = 128;

/// Device::logits_at_once. A pass of IWSLT'14 at 4,096 tokens a batch is 42 million; 256 MiB for both passes in 16
/// bits.
constexpr int64_t kGpuLogitsAtOnce = int64_t{1} << 26;

}  // namespace rdrop
