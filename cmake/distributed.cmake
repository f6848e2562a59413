# librdrop_distributed.so: runs over several processes, by the c10d of libtorch_cpu. It exports rdrop_open_group alone and has
# no run path: the core, which has opened libtorch, opens it when a group is asked for.
file(GLOB distributed_sources CONFIGURE_DEPENDS native/distributed/*.cc)
list(FILTER distributed_sources EXCLUDE REGEX "/(device_)?group\\.cc$")
add_library(rdrop_distributed SHARED ${distributed_sources})
target_include_directories(rdrop_distributed PRIVATE native native/distributed/gloo_declarations)
target_include_directories(rdrop_distributed SYSTEM PRIVATE ${RDROP_LIBTORCH}/include ${RDROP_LIBTORCH}/include/torch/csrc/api/include)
target_compile_options(rdrop_distributed PRIVATE -Wall -Wextra)
target_link_libraries(rdrop_distributed PRIVATE ${RDROP_LIBTORCH}/lib/libtorch_cpu.so ${RDROP_LIBTORCH}/lib/libc10.so
                      -Wl,--allow-shlib-undefined)
set_target_properties(rdrop_distributed PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/Release)
