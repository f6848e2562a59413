// Coded errors of the native core. The codes are those of lib/errors.ts.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace rdrop {

/// An error that reaches JavaScript as an Error with this code.
class Error : public std::runtime_error {
 public:
  Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;
};

/// Throws Error(code) with the parts streamed together.
template <typename... Parts>
[[noreturn]] void fail(const char* code, Parts&&... parts) {
  std::ostringstream message;
  (message << ... << std::forward<Parts>(parts));
  throw Error(code, message.str());
}

}  // namespace rdrop
