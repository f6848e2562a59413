// rdrop.node: the file that Node opens. It links nothing of libtorch. open({libraries, core}) opens libc10
// and libtorch_cpu with RTLD_GLOBAL from wherever they were found, then the core library, which has no run
// path of its own, and hands a fresh exports object to the core's initializer.
#include <dlfcn.h>
#include <link.h>
#include <node_api.h>
#include <sys/file.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/errors.h"

namespace {

using rdrop::ErrorCode;

using CoreInit = napi_value (*)(napi_env, napi_value);

/// Throws an Error with this code.
napi_value fail(napi_env env, ErrorCode code, const std::string& message) {
  napi_throw_error(env, name_of(code), message.c_str());
  return nullptr;
}

/// The UTF-8 text of a JS string; false when the value is none.
bool text_of(napi_env env, napi_value value, std::string* text) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return false;
  std::vector<char> bytes(length + 1);
  if (napi_get_value_string_utf8(env, value, bytes.data(), bytes.size(), &length) != napi_ok) return false;
  text->assign(bytes.data(), length);
  return true;
}

/// Reads {libraries: string[], core: string}; false when the argument has another shape.
bool read_paths(napi_env env, napi_value argument, std::vector<std::string>* libraries, std::string* core) {
  napi_value list, core_value;
  uint32_t count = 0;
  if (napi_get_named_property(env, argument, "libraries", &list) != napi_ok ||
      napi_get_array_length(env, list, &count) != napi_ok ||
      napi_get_named_property(env, argument, "core", &core_value) != napi_ok || !text_of(env, core_value, core)) {
    return false;
  }
  libraries->resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    if (napi_get_element(env, list, i, &element) != napi_ok || !text_of(env, element, &(*libraries)[i])) {
      return false;
    }
  }
  return true;
}

/// The file that a path leads to, or the path itself where there is none.
std::string real_path(const char* path) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(realpath(path, nullptr), &std::free);
  return resolved ? resolved.get() : path;
}

/// The file from which this process has opened a library of the same name as the one at `path`, when that is another;
/// else empty.
std::string other_opened(const std::string& path) {
  void* handle = dlopen(path.substr(path.rfind('/') + 1).c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (!handle) return {};
  link_map* map = nullptr;
  std::string opened;
  if (dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0) opened = real_path(map->l_name);
  dlclose(handle);
  return opened == real_path(path.c_str()) ? std::string() : opened;
}

napi_value open(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  std::vector<std::string> libraries;
  std::string core;
  if (napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr) != napi_ok || count != 1 ||
      !read_paths(env, argument, &libraries, &core)) {
    bool pending = false;
    if (napi_is_exception_pending(env, &pending) == napi_ok && pending) return nullptr;
    return fail(env, ErrorCode::invalid_argument, "open: expected {libraries: string[], core: string}");
  }
  for (const std::string& library : libraries) {
    // Two would share those of their variables that the linker keeps one of in a process, and break each other.
    const std::string other = other_opened(library);
    if (!other.empty()) {
      return fail(env, ErrorCode::libtorch_unusable,
                  library + ": this process has opened another libtorch, " + other +
                      ", and only one can be. RDROP_LIBTORCH names the one for every copy of rdrop");
    }
    // Global, because the core finds libtorch's symbols there.
    if (!dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL)) {
      return fail(env, ErrorCode::libtorch_unusable, library + ": libtorch could not be opened (" + dlerror() + ")");
    }
  }
  void* handle = dlopen(core.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    return fail(env, ErrorCode::addon_not_found, core + ": the core library could not be opened (" + dlerror() + ")");
  }
  CoreInit init = reinterpret_cast<CoreInit>(dlsym(handle, "rdrop_core_init"));
  if (!init) {
    return fail(env, ErrorCode::addon_not_found, core + ": not a core library of rdrop (" + dlerror() + ")");
  }
  napi_value exports;
  if (napi_create_object(env, &exports) != napi_ok) return nullptr;
  return init(env, exports);
}

/// lockFile(fd, exclusive): flock(2) without waiting, which Node does not offer. Needs nothing of libtorch, so that
/// a program that only takes a lock need not open it.
napi_value lock_file(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2] = {nullptr, nullptr};
  int32_t fd = -1;
  bool exclusive = false;
  if (napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) != napi_ok || count != 2 ||
      napi_get_value_int32(env, arguments[0], &fd) != napi_ok ||
      napi_get_value_bool(env, arguments[1], &exclusive) != napi_ok) {
    return fail(env, ErrorCode::invalid_argument, "lockFile: expected a file descriptor and a boolean");
  }
  int status;
  do {
    status = flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
  } while (status != 0 && errno == EINTR);
  const char* outcome = status == 0 ? "taken" : errno == EWOULDBLOCK ? "held" : "unsupported";
  napi_value text;
  return napi_create_string_utf8(env, outcome, NAPI_AUTO_LENGTH, &text) == napi_ok ? text : nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function, version, lock;
  if (napi_create_function(env, "open", NAPI_AUTO_LENGTH, open, nullptr, &function) != napi_ok ||
      napi_set_named_property(env, exports, "open", function) != napi_ok ||
      napi_create_function(env, "lockFile", NAPI_AUTO_LENGTH, lock_file, nullptr, &lock) != napi_ok ||
      napi_set_named_property(env, exports, "lockFile", lock) != napi_ok ||
      napi_create_string_utf8(env, RDROP_LIBTORCH_VERSION, NAPI_AUTO_LENGTH, &version) != napi_ok ||
      napi_set_named_property(env, exports, "compiledAgainst", version) != napi_ok) {
    return nullptr;
  }
  return exports;
}
