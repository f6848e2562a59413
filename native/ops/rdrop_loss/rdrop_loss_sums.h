// What a device adds up over the positions of a batch, while a step is under way.
#pragma once

namespace rdrop {

/// The places of the numbers that a device adds up. Faulty positions count in the last two alone.
enum LossSumPlace { sum_cross_entropy, sum_nll, sum_kl, sum_tokens, sum_faults, sum_first_fault, loss_sums };

/// The parts of one on which sum_first_fault tells the kind of fault: it is 1 + position + kind / fault_kinds of the
/// smallest faulty position, 0 without any.
constexpr double fault_kinds = 8;

}  // namespace rdrop
