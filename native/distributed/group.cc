// See group.h: what is made of a group's own operations, and the way to its library.
#include "distributed/group.h"

#include <ATen/ops/empty.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "core/errors.h"

namespace rdrop {
namespace {

at::Tensor bytes_tensor(int64_t size) {
  return at::empty({std::max<int64_t>(1, size)}, at::kByte);
}

void copy_into(const at::Tensor& tensor, const Bytes& bytes) {
  if (!bytes.empty()) std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
}

at::Tensor one_number(int64_t value) {
  return at::empty({1}, at::kLong).fill_(value);
}

/// Groups leave when the process exits: whoever waits in one would hold the exit up.
void leave_at_exit(const std::shared_ptr<Group>& group) {
  struct Groups {
    std::mutex mutex;
    std::vector<std::weak_ptr<Group>> all;
  };
  static Groups& groups = *std::make_unique<Groups>().release();
  static const int registered = std::atexit([] {
    const std::lock_guard lock(groups.mutex);
    for (const auto& weak : groups.all) {
      if (const auto alive = weak.lock()) alive->leave();
    }
  });
  static_cast<void>(registered);
  const std::lock_guard lock(groups.mutex);
  std::erase_if(groups.all, [](const auto& weak) { return weak.expired(); });
  groups.all.push_back(group);
}

}  // namespace

at::Tensor Group::all_gather(const at::Tensor& tensor) {
  const at::Tensor all = at::empty({size(), tensor.numel()}, tensor.options());
  all_gather(tensor, all)->wait();
  return all;
}

std::vector<double> sum(Group& group, const std::vector<double>& values) {
  const auto count = int64_t(values.size());
  const at::Tensor mine = at::empty({std::max<int64_t>(1, count)}, at::kDouble);
  std::copy(values.begin(), values.end(), mine.data_ptr<double>());
  const at::Tensor all = group.all_gather(mine);
  std::vector<double> sums(values.size(), 0.0);
  for (int64_t rank = 0; rank < group.size(); ++rank) {
    const double* row = all.const_data_ptr<double>() + rank * all.size(1);
    for (int64_t i = 0; i < count; ++i) sums[i] += row[i];
  }
  return sums;
}

std::vector<Bytes> gather(Group& group, const Bytes& bytes) {
  const at::Tensor lengths = group.all_gather(one_number(int64_t(bytes.size())));
  const int64_t* length = lengths.const_data_ptr<int64_t>();
  const int64_t longest = *std::max_element(length, length + group.size());
  std::vector<Bytes> gathered(group.size());
  if (longest == 0) return gathered;
  const at::Tensor mine = bytes_tensor(longest);
  mine.zero_();
  copy_into(mine, bytes);
  const at::Tensor all = group.all_gather(mine);
  for (int64_t rank = 0; rank < group.size(); ++rank) {
    const uint8_t* row = all.const_data_ptr<uint8_t>() + rank * longest;
    gathered[rank].assign(row, row + length[rank]);
  }
  return gathered;
}

Bytes broadcast(Group& group, const Bytes& bytes) {
  const at::Tensor length = one_number(int64_t(bytes.size()));
  group.broadcast(length);
  const auto size = length.item<int64_t>();
  if (size == 0) return {};
  const at::Tensor all = bytes_tensor(size);
  if (group.rank() == 0) copy_into(all, bytes);
  group.broadcast(all);
  const uint8_t* first = all.const_data_ptr<uint8_t>();
  return Bytes(first, first + size);
}

std::shared_ptr<Group> open_group(const GroupOptions& options) {
  void* library = dlopen(options.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fail(ErrorCode::distributed_unavailable, "a run over several processes needs librdrop_distributed.so; tried ",
         options.library, ": ", dlerror(), ". Next: npx rdrop doctor");
  }
  const auto open = reinterpret_cast<OpenGroup>(dlsym(library, "rdrop_open_group"));
  if (!open) {
    fail(ErrorCode::distributed_unavailable, options.library, ": not the library of rdrop for several processes (",
         dlerror(), "). Next: npx rdrop doctor");
  }
  const std::shared_ptr<Group> group(open(options));
  leave_at_exit(group);
  return group;
}

}  // namespace rdrop
