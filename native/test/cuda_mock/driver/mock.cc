// See mock.h.
#include "test/cuda_mock/driver/mock.h"

#include <algorithm>

namespace cuda_mock::driver {

std::vector<std::string> violations() {
  constexpr size_t kMost = 1000;
  const char* texts[kMost];
  const size_t count = mock_violations(texts, kMost);
  return {texts, texts + std::min(count, kMost)};
}

}  // namespace cuda_mock::driver
