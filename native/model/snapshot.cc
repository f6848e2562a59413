// See snapshot.h.
#include "model/snapshot.h"

#include "device/device.h"
#include "model/tensors.h"

namespace rdrop {

std::shared_ptr<Snapshot> Snapshot::of(const std::shared_ptr<Transformer>& model) {
  const std::shared_ptr<Snapshot> snapshot(new Snapshot(model));
  model->watch([watcher = std::weak_ptr<Snapshot>(snapshot)] {
    const auto alive = watcher.lock();
    if (alive) alive->keep();
    return bool(alive);
  });
  return snapshot;
}

at::Tensor Snapshot::read(const ParameterRange& range) const {
  const Parameters& parameters = model_->parameters();
  if (kept_.defined()) return parameters.read_range(range, kept_);
  const DeviceScope scope(model_->device());
  return parameters.read_range(range, parameters.flat);
}

void Snapshot::keep() {
  if (kept_.defined()) return;
  const DeviceScope scope(model_->device());
  kept_ = host_copy(model_->parameters().flat);
}

}  // namespace rdrop
