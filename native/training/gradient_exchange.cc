// See gradient_exchange.h.
#include "training/gradient_exchange.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace rdrop {

GradientExchange::GradientExchange(const Distributed& distributed, const at::Tensor& gradient)
    : distributed_(distributed), gradient_(gradient), sent_from_(gradient.numel()) {
  const int64_t bytes = distributed.bfloat16 ? 2 : int64_t(gradient.element_size());
  bucket_ = std::max<int64_t>(1, distributed.bucket_bytes / bytes);
}

void GradientExchange::finished_from(int64_t offset) {
  while (sent_from_ > 0 && (sent_from_ - bucket_ >= offset || offset == 0)) {
    const int64_t size = std::min(bucket_, sent_from_);
    sent_from_ -= size;
    Bucket bucket;
    bucket.own = gradient_.narrow(0, sent_from_, size);
    bucket.sent = distributed_.bfloat16 ? bucket.own.to(at::kBFloat16) : bucket.own;
    bucket.pending = distributed_.group->all_reduce(bucket.sent);
    under_way_.push_back(std::move(bucket));
  }
}

void GradientExchange::finish() {
  finished_from(0);
  for (Bucket& bucket : under_way_) {
    bucket.pending->wait();
    if (distributed_.bfloat16) bucket.own.copy_(bucket.sent);
  }
  under_way_.clear();
}

ShareExchange::ShareExchange(Group& group, const UpdateShare& share) {
  const double numbers[] = {share.pairs,         share.source_tokens, share.tokens,       share.batches,
                            share.cross_entropy, share.nll,           share.kl,           share.loss,
                            share.weighted_kl,   share.counted,       double(share.flags)};
  const auto count = int64_t(std::size(numbers));
  mine_ = at::empty({count}, at::kDouble);
  std::copy(std::begin(numbers), std::end(numbers), mine_.data_ptr<double>());
  all_ = at::empty({group.size(), count}, at::kDouble);
  pending_ = group.all_gather(mine_, all_);
}

UpdateShare ShareExchange::of_all() {
  pending_->wait();
  UpdateShare all;
  const int64_t count = all_.size(1);
  for (int64_t rank = 0; rank < all_.size(0); ++rank) {
    const double* of = all_.const_data_ptr<double>() + rank * count;
    double* const sums[] = {&all.pairs,         &all.source_tokens, &all.tokens, &all.batches,
                            &all.cross_entropy, &all.nll,           &all.kl,     &all.loss,
                            &all.weighted_kl,   &all.counted};
    for (size_t i = 0; i < std::size(sums); ++i) *sums[i] += of[i];
    all.flags |= uint32_t(of[count - 1]);
  }
  return all;
}

}  // namespace rdrop
