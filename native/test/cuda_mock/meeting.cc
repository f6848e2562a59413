// See meeting.h.
#include "test/cuda_mock/meeting.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "core/host_device.h"

namespace cuda_mock {
namespace {

namespace fs = std::filesystem;

template <class T>
T combined(NcclReduction reduction, T a, T b) {
  switch (reduction) {
    case kNcclProduct:
      return T(a * b);
    case kNcclMax:
      return std::max(a, b);
    case kNcclMin:
      return std::min(a, b);
    default:
      return T(a + b);
  }
}

template <class T>
struct Plain {
  using Element = T;
  static T load(T x) { return x; }
  static void store(T& to, T x) { to = x; }
};

template <class T>
struct Narrow {
  using Element = T;
  static float load(T x) { return rdrop::portable::to_float(x); }
  static void store(T& to, float x) { rdrop::portable::assign(to, x); }
};

/// f.operator()<Access>() for the type's way to read and write an element.
template <class F>
void with_type(NcclType type, F&& f) {
  switch (type) {
    case kNcclInt8:
      return f.template operator()<Plain<int8_t>>();
    case kNcclUint8:
      return f.template operator()<Plain<uint8_t>>();
    case kNcclInt32:
      return f.template operator()<Plain<int32_t>>();
    case kNcclUint32:
      return f.template operator()<Plain<uint32_t>>();
    case kNcclInt64:
      return f.template operator()<Plain<int64_t>>();
    case kNcclUint64:
      return f.template operator()<Plain<uint64_t>>();
    case kNcclFloat16:
      return f.template operator()<Narrow<rdrop::Half>>();
    case kNcclFloat32:
      return f.template operator()<Plain<float>>();
    case kNcclFloat64:
      return f.template operator()<Plain<double>>();
    case kNcclBfloat16:
      return f.template operator()<Narrow<rdrop::Bfloat16>>();
  }
}

fs::path shared_directory() {
  const char* path = std::getenv("MOCK_SHARED");
  return path && *path ? path : "/dev/shm";
}

std::string brought(uint64_t n) {
  return "brought_" + std::to_string(n);
}

}  // namespace

Meeting::Meeting(const std::string& id, int rank, int size)
    : directory_(shared_directory() / id), rank_(rank), size_(size) {}

fs::path Meeting::path(const std::string& name, int rank) const {
  return directory_ / (name + "_" + std::to_string(rank));
}

void Meeting::write(const fs::path& path, const void* head, size_t head_bytes, const void* data, size_t bytes) const {
  const fs::path unfinished = path.string() + ".part";
  {
    std::ofstream file(unfinished, std::ios::binary);
    file.write(static_cast<const char*>(head), std::streamsize(head_bytes));
    file.write(static_cast<const char*>(data), std::streamsize(bytes));
  }
  std::error_code gone;  // where another rank has destroyed the meeting nobody waits
  fs::rename(unfinished, path, gone);
}

int Meeting::first_without(const std::string& name) const {
  for (int rank = 0; rank < size_; ++rank) {
    std::error_code error;
    if (!fs::exists(path(name, rank), error)) return rank;
  }
  return -1;
}

void Meeting::join() {
  std::error_code there;
  fs::create_directory(directory_, there);
  write(path("joined", rank_), "", 0, "", 0);
}

int Meeting::missing() const {
  return first_without("joined");
}

void Meeting::bring(uint64_t n, const Collective& collective, const void* data, size_t bytes) {
  write(path(brought(n), rank_), &collective, sizeof(collective), data, bytes);
}

bool Meeting::all_have_brought(uint64_t n) const {
  return first_without(brought(n)) < 0;
}

bool Meeting::take(uint64_t n, int rank, Collective& collective, std::vector<char>& data) const {
  std::ifstream file(path(brought(n), rank), std::ios::binary);
  const Collective expected = collective;
  file.read(reinterpret_cast<char*>(&collective), sizeof(collective));
  if (!file || !(collective == expected)) return false;
  file.read(data.data(), std::streamsize(data.size()));
  return bool(file);
}

void Meeting::forget_before(uint64_t n) {
  std::error_code gone;
  if (n > 0) fs::remove(path(brought(n - 1), rank_), gone);
}

void Meeting::leave() {
  write(path("left", rank_), "", 0, "", 0);
  if (first_without("left") < 0) destroy();
}

void Meeting::destroy() {
  std::error_code gone;
  fs::remove_all(directory_, gone);
}

void reduce(NcclType type, NcclReduction reduction, void* to, const void* from, size_t count) {
  with_type(type, [&]<class Access>() {
    auto* sums = static_cast<typename Access::Element*>(to);
    const auto* values = static_cast<const typename Access::Element*>(from);
    for (size_t i = 0; i < count; ++i) {
      Access::store(sums[i], combined(reduction, Access::load(sums[i]), Access::load(values[i])));
    }
  });
}

void divide(NcclType type, void* to, size_t count, int ranks) {
  with_type(type, [&]<class Access>() {
    auto* sums = static_cast<typename Access::Element*>(to);
    using Value = decltype(Access::load(*sums));
    for (size_t i = 0; i < count; ++i) Access::store(sums[i], Value(Access::load(sums[i]) / Value(ranks)));
  });
}

}  // namespace cuda_mock
