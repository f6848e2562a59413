// See options.h.
#include "test/cuda_mock/driver/options.h"

#include <cstdio>
#include <cstdlib>

namespace cuda_mock::driver {

Options::Options(int count, char** arguments) {
  for (int i = 2; i < count; ++i) {
    const std::string argument = arguments[i];
    const size_t middle = argument.find('=');
    if (middle == std::string::npos) {
      std::fprintf(stderr, "expected name=value, got %s\n", arguments[i]);
      std::exit(2);
    }
    values_[argument.substr(0, middle)] = argument.substr(middle + 1);
  }
}

std::string Options::text(const std::string& name, const std::string& otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : found->second;
}

long Options::number(const std::string& name, long otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : std::atol(found->second.c_str());
}

std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out + "\"";
}

std::string json_list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? "," : "") + json_text(text);
  return out + "]";
}

}  // namespace cuda_mock::driver
