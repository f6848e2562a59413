// What transformer and trainer handles share.
#include "addon/handles.h"

#include <unordered_map>

#include "device/device.h"
#include "core/errors.h"

namespace rdrop {

template <typename T>
std::shared_ptr<T> Handle<T>::get() const {
  if (!object_) fail(ErrorCode::disposed, name_, ": used after dispose()");
  return object_;
}

template class Handle<Transformer>;
template class Handle<Trainer>;
template class Handle<Snapshot>;
template class Handle<Group>;

void copy_named_values(const std::vector<std::pair<std::string, at::Tensor>>& values,
                       const std::vector<NamedSlice>& names, at::Tensor& flat) {
  std::unordered_map<std::string, at::Tensor> by_name(values.begin(), values.end());
  for (const NamedSlice& slice : names) {
    const auto found = by_name.find(slice.name);
    if (found == by_name.end()) fail(ErrorCode::checkpoint_mismatch, "parameter ", slice.name, " is missing");
    if (found->second.numel() != slice.size()) {
      fail(ErrorCode::checkpoint_mismatch, "parameter ", slice.name, ": expected ", slice.size(), " numbers, got ",
           found->second.numel());
    }
    if (found->second.scalar_type() != flat.scalar_type()) {
      fail(ErrorCode::checkpoint_mismatch, "parameter ", slice.name, ": expected ", c10::toString(flat.scalar_type()),
           ", got ", c10::toString(found->second.scalar_type()));
    }
  }
  if (by_name.size() != names.size()) {
    for (const NamedSlice& slice : names) by_name.erase(slice.name);
    fail(ErrorCode::checkpoint_mismatch, "parameter ", by_name.begin()->first, " is unknown to this model");
  }
  Device* device = current_device();
  at::Tensor host = device ? device->memory().download(flat) : flat;
  for (const NamedSlice& slice : names) {
    host.narrow(0, slice.offset, slice.size()).copy_(by_name.at(slice.name));
  }
  if (device) device->memory().upload(host.const_data_ptr(), host.nbytes(), flat);
}

}  // namespace rdrop
