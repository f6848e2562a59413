// Coded errors of the native core. The codes are those of lib/util/error_codes.ts that native code can throw;
// test/native/error_codes.test.ts compares the two lists.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace rdrop {

enum class ErrorCode {
  addon_not_found,
  busy,
  checkpoint_mismatch,
  cuda_failed,
  cuda_unavailable,
  disposed,
  distributed_unavailable,
  internal,
  invalid_argument,
  libtorch_unusable,
  non_finite,
  out_of_memory,
  process_limit,
  rank_failed,
  rank_lost,
  token_out_of_range,
};

/// The code as JavaScript knows it.
constexpr const char* name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::addon_not_found:
      return "ADDON_NOT_FOUND";
    case ErrorCode::busy:
      return "BUSY";
    case ErrorCode::checkpoint_mismatch:
      return "CHECKPOINT_MISMATCH";
    case ErrorCode::cuda_failed:
      return "CUDA_FAILED";
    case ErrorCode::cuda_unavailable:
      return "CUDA_UNAVAILABLE";
    case ErrorCode::disposed:
      return "DISPOSED";
    case ErrorCode::distributed_unavailable:
      return "DISTRIBUTED_UNAVAILABLE";
    case ErrorCode::internal:
      return "INTERNAL";
    case ErrorCode::invalid_argument:
      return "INVALID_ARGUMENT";
    case ErrorCode::libtorch_unusable:
      return "LIBTORCH_UNUSABLE";
    case ErrorCode::non_finite:
      return "NON_FINITE";
    case ErrorCode::out_of_memory:
      return "OUT_OF_MEMORY";
    case ErrorCode::process_limit:
      return "PROCESS_LIMIT";
    case ErrorCode::rank_failed:
      return "RANK_FAILED";
    case ErrorCode::rank_lost:
      return "RANK_LOST";
    case ErrorCode::token_out_of_range:
      return "TOKEN_OUT_OF_RANGE";
  }
  return "INTERNAL";
}

/// An error that reaches JavaScript as an Error with this code.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

/// Throws Error(code) with the parts streamed together.
template <typename... Parts>
[[noreturn]] void fail(ErrorCode code, Parts&&... parts) {
  std::ostringstream message;
  (message << ... << std::forward<Parts>(parts));
  throw Error(code, message.str());
}

}  // namespace rdrop
