// See mock.h.
#include "test/cuda_mock/driver/mock.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace cuda_mock::driver {
namespace {

template <class F>
void find(F& function, const char* name) {
  function = reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
  if (function) return;
  std::fprintf(stderr, "%s: libcuda_mock.so is not preloaded (native/test/cuda_mock/README.md)\n", name);
  std::exit(2);
}

Control find_all() {
  Control c;
  find(c.violations, "mock_violations");
  find(c.forget_violations, "mock_forget_violations");
  find(c.fail, "mock_fail");
  find(c.calls, "mock_calls");
  find(c.order, "mock_order");
  find(c.limit_memory, "mock_limit_memory");
  find(c.memory, "mock_memory");
  find(c.is_allocated, "mock_is_allocated");
  find(c.nodes, "mock_nodes");
  find(c.graph_pointers, "mock_graph_pointers");
  return c;
}

}  // namespace

const Control& control() {
  static const Control found = find_all();
  return found;
}

std::vector<std::string> violations() {
  const char* texts[1000];
  const size_t count = control().violations(texts, 1000);
  return {texts, texts + (count < 1000 ? count : 1000)};
}

}  // namespace cuda_mock::driver
