// See cublaslt.h.
#include "device/cuda/cublaslt.h"

#include <dlfcn.h>

#include "core/errors.h"

namespace rdrop::cublaslt {
namespace {

/// The library of the process: among the global symbols, or by the name that CUDA 13 or 12 gives it.
void* library() {
  if (dlsym(RTLD_DEFAULT, "cublasLtMatmul")) return RTLD_DEFAULT;
  for (const char* name : {"libcublasLt.so.13", "libcublasLt.so.12"}) {
    if (void* handle = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return handle;
  }
  fail(ErrorCode::cuda_unavailable, "libcublasLt.so was not found beside the CUDA build of libtorch (", dlerror(),
       "). Next: npx rdrop setup --cuda");
}

template <typename F>
void find(void* library, const char* name, F*& function) {
  function = reinterpret_cast<F*>(dlsym(library, name));
  if (!function) {
    fail(ErrorCode::cuda_unavailable, "libcublasLt.so has no function ", name,
         ": CUDA 12 or 13 is needed. Next: npx rdrop setup --cuda");
  }
}

}  // namespace

Library load() {
  void* const from = library();
  Library all{};
  find(from, "cublasLtCreate", all.create);
  find(from, "cublasLtMatmulDescCreate", all.create_operation);
  find(from, "cublasLtMatmulDescSetAttribute", all.set_operation);
  find(from, "cublasLtMatrixLayoutCreate", all.create_layout);
  find(from, "cublasLtMatrixLayoutSetAttribute", all.set_layout);
  find(from, "cublasLtMatmulPreferenceCreate", all.create_preference);
  find(from, "cublasLtMatmulPreferenceDestroy", all.destroy_preference);
  find(from, "cublasLtMatmulPreferenceSetAttribute", all.set_preference);
  find(from, "cublasLtMatmulAlgoGetHeuristic", all.find);
  find(from, "cublasLtMatmul", all.multiply);
  return all;
}

}  // namespace rdrop::cublaslt
