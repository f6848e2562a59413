// The dropouts of one forward pass. Sites are counted in the order in which the pass meets them: that is their key.
#pragma once

#include "core/dropout.h"
#include "model/config.h"
#include "model/stack/sublayers.h"

namespace rdrop {

class DropoutSites {
 public:
  /// on: else nothing is dropped.
  DropoutSites(const ModelConfig& config, bool on, const DropoutStream& stream)
      : config_(config), on_(on), stream_(stream) {}

  /// pass_rows: rows of pass 1.
  Dropout next(double p, int64_t pass_rows) {
    const Dropout dropout{on_ ? p : 0.0, pass_rows, stream_};
    ++stream_.site;
    return dropout;
  }
  SublayerDropout attention(int64_t pass_rows) {
    const Dropout branch = next(config_.dropout, pass_rows);
    return {branch, next(config_.attention_dropout, pass_rows * config_.heads)};
  }
  SublayerDropout feed_forward(int64_t pass_rows) {
    const Dropout branch = next(config_.dropout, pass_rows);
    return {branch, next(config_.activation_dropout, pass_rows)};
  }

 private:
  const ModelConfig& config_;
  bool on_;
  DropoutStream stream_;
};

}  // namespace rdrop
