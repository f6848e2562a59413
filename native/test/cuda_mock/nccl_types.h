// NCCL's types and constants that the mock knows. Its header comes with NCCL alone, which nothing here needs; names and
// numbers are those of its documentation.
#pragma once

#include <cstddef>

namespace cuda_mock {

/// ncclResult_t
enum NcclResult {
  kNcclSuccess = 0,
  kNcclUnhandledCudaError = 1,
  kNcclSystemError = 2,
  kNcclInternalError = 3,
  kNcclInvalidArgument = 4,
  kNcclInvalidUsage = 5,
  kNcclRemoteError = 6,
  kNcclInProgress = 7
};

/// ncclDataType_t
enum NcclType {
  kNcclInt8 = 0,
  kNcclUint8 = 1,
  kNcclInt32 = 2,
  kNcclUint32 = 3,
  kNcclInt64 = 4,
  kNcclUint64 = 5,
  kNcclFloat16 = 6,
  kNcclFloat32 = 7,
  kNcclFloat64 = 8,
  kNcclBfloat16 = 9
};

/// ncclRedOp_t
enum NcclReduction { kNcclSum = 0, kNcclProduct = 1, kNcclMax = 2, kNcclMin = 3, kNcclAverage = 4 };

/// ncclUniqueId
struct NcclId {
  char text[128];
};

/// Bytes of an element; 0: a type that the mock lacks.
inline size_t bytes_of(NcclType type) {
  switch (type) {
    case kNcclInt8:
    case kNcclUint8:
      return 1;
    case kNcclFloat16:
    case kNcclBfloat16:
      return 2;
    case kNcclInt32:
    case kNcclUint32:
    case kNcclFloat32:
      return 4;
    case kNcclInt64:
    case kNcclUint64:
    case kNcclFloat64:
      return 8;
  }
  return 0;
}

}  // namespace cuda_mock
