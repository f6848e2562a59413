// Times of the loss alone, for `rdrop bench loss`: the copy of the logits into JavaScript's world and back costs
// more than the loss.
#pragma once

#include <napi.h>

namespace rdrop {

/// timeLoss of lib/native/contract.ts.
Napi::Value time_loss_of(const Napi::CallbackInfo& info);

}  // namespace rdrop
