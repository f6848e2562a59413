// Where the ranks of a communicator meet, threads of one process or processes: a directory of shared memory. What a
// rank brings to a collective is a file there, whole as soon as it has its name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "test/cuda_mock/nccl_types.h"

namespace cuda_mock {

/// What all ranks must ask alike.
struct Collective {
  enum class Kind : int32_t { all_reduce, broadcast, all_gather, reduce_scatter } kind;
  NcclType type;
  NcclReduction reduction;
  int32_t root;
  uint64_t count;  ///< elements that each rank brings

  bool operator==(const Collective&) const = default;
};

class Meeting {
 public:
  /// In the directory that MOCK_SHARED names, /dev/shm without it.
  Meeting(const std::string& id, int rank, int size);

  /// Says that this rank is here.
  void join();
  /// The first rank that has not joined; -1: all have.
  int missing() const;

  /// Brings what this rank has for collective number n.
  void bring(uint64_t n, const Collective& collective, const void* data, size_t bytes);
  bool all_have_brought(uint64_t n) const;
  /// What a rank has brought, of `bytes`. False, with its own description in `collective`, where it asked for something
  /// else.
  bool take(uint64_t n, int rank, Collective& collective, std::vector<char>& data) const;
  /// All have number n: what this rank brought to the one before is needed by nobody.
  void forget_before(uint64_t n);

  /// The last one removes the directory.
  void leave();
  /// Removes it for all.
  void destroy();

  int rank() const { return rank_; }
  int size() const { return size_; }

 private:
  std::filesystem::path path(const std::string& name, int rank) const;
  void write(const std::filesystem::path& path, const void* head, size_t head_bytes, const void* data,
             size_t bytes) const;
  int first_without(const std::string& name) const;

  std::filesystem::path directory_;
  int rank_, size_;
};

/// Adds what the ranks have brought, in the order of their numbers and rounded to the type after each, as a ring does.
/// to[count] has the values of rank 0 at the start.
void reduce(NcclType type, NcclReduction reduction, void* to, const void* from, size_t count);
/// Divides by the number of ranks.
void divide(NcclType type, void* to, size_t count, int ranks);

}  // namespace cuda_mock
