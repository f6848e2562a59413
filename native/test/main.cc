// Runs the cases whose name holds the first argument, all without one. They lie in librdrop_emulated.so, beside the
// kernels that they test (CMakeLists.txt says why), which is opened from this program's own directory. Prints "ok NAME"
// or "FAILED NAME: reason" a line; exit status 1 on failure.
#include <dlfcn.h>

#include <cstdio>
#include <filesystem>

int main(int count, char** arguments) {
  const auto library = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "librdrop_emulated.so";
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* symbol = handle ? dlsym(handle, "rdrop_run_kernel_tests") : nullptr;
  if (!symbol) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  return reinterpret_cast<int (*)(const char*)>(symbol)(count > 1 ? arguments[1] : "");
}
