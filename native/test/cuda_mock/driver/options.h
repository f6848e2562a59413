// Options of the driver's commands, name=value on the command line; and JSON as it is printed.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace cuda_mock::driver {

class Options {
 public:
  Options(int count, char** arguments);
  explicit Options(std::map<std::string, std::string> values) : values_(std::move(values)) {}
  std::string text(const std::string& name, const std::string& otherwise) const;
  long number(const std::string& name, long otherwise) const;

 private:
  std::map<std::string, std::string> values_;
};

std::string json_text(const std::string& text);
std::string json_list(const std::vector<std::string>& texts);

}  // namespace cuda_mock::driver
