// For programs whose kernels run on memory of the device already: mirrors.h switched off.
#include <cstdlib>

#include "test/gpu/mirrors.h"

namespace rdrop::test {

bool mirrors_on = false;

Mirrors::Mirrors(void*, size_t) {
  std::abort();
}
Mirrors::~Mirrors() = default;
void Mirrors::take_back() {}

}  // namespace rdrop::test
