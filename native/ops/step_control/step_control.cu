// Step control on a device: one thread.
#include "device/launch.h"
#include "ops/step_control/step_control_kernel.h"

namespace rdrop {
namespace {

using namespace portable;

struct BeginKernel {
  static constexpr int max_threads = 32;
  StepControl control;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    if (block.thread() == 0) begin_step(control);
  }
};

struct FinishKernel {
  static constexpr int max_threads = 32;
  StepControl control;

  template <class Block>
  RDROP_INLINE void operator()(Block& block) const {
    if (block.thread() == 0) finish_step(control);
  }
};

void begin(const StepControl& control, void* stream) {
  launch(BeginKernel{control}, {1, 32}, stream);
}

void finish(const StepControl& control, void* stream) {
  launch(FinishKernel{control}, {1, 32}, stream);
}

}  // namespace

const StepLaunchers& step_launchers() {
  static constexpr StepLaunchers table = {begin, finish};
  return table;
}

}  // namespace rdrop
