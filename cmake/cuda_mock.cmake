# For tests alone (target `cuda_mock`): a CUDA runtime for machines without a GPU, native/test/cuda_mock. Everything lies
# in mock/: libcuda_mock.so; a library for each that libtorch's CUDA part needs (libcudart.so.13, libcublas.so.13, …), which
# answers with what libcuda_mock.so lacks; librdrop_emulated.so, whose kernels it runs; and cuda_mock_driver, a program that
# trains with the core and the real librdrop_cuda.so.
set(mock_directory ${CMAKE_BINARY_DIR}/mock)

# The .cu files once more, as C++ for the emulated grid. The language of a file is one for the directory, so they are
# included by files of another name.
foreach(kernel ${cuda_kernels})
  get_filename_component(name ${kernel} NAME_WE)
  set(wrapper ${CMAKE_BINARY_DIR}/emulated_kernels/${name}.cc)
  file(GENERATE OUTPUT ${wrapper} CONTENT "#include \"${kernel}\"\n")
  list(APPEND mock_kernels ${wrapper})
endforeach()
add_library(rdrop_emulated SHARED EXCLUDE_FROM_ALL ${mock_kernels} native/device/emulated/grid.cc
            native/device/emulated/matrix_unit.cc native/device/emulated/runners.cc native/device/emulated/device.cc)
target_include_directories(rdrop_emulated PRIVATE native)
target_include_directories(rdrop_emulated SYSTEM PRIVATE ${RDROP_LIBTORCH}/include)
target_compile_options(rdrop_emulated PRIVATE -Wall -Wextra)
target_link_libraries(rdrop_emulated PRIVATE ${RDROP_LIBTORCH}/lib/libtorch_cpu.so ${RDROP_LIBTORCH}/lib/libc10.so
                      -Wl,--allow-shlib-undefined)

file(GLOB mock_sources CONFIGURE_DEPENDS native/test/cuda_mock/*.cc)
add_library(rdrop_cuda_mock SHARED EXCLUDE_FROM_ALL ${mock_sources})
target_include_directories(rdrop_cuda_mock PRIVATE native)
target_include_directories(rdrop_cuda_mock SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
target_compile_options(rdrop_cuda_mock PRIVATE -Wall -Wextra)
target_link_libraries(rdrop_cuda_mock PRIVATE ${CMAKE_DL_LIBS})
set_target_properties(rdrop_cuda_mock PROPERTIES OUTPUT_NAME cuda_mock)

find_program(NODE node REQUIRED)
set(stubs_stamp ${mock_directory}/stubs.stamp)
set(stubs_script ${CMAKE_CURRENT_SOURCE_DIR}/scripts/cuda_mock/stubs.mjs)
add_custom_command(OUTPUT ${stubs_stamp}
                   COMMAND ${NODE} ${stubs_script} ${RDROP_LIBTORCH}/lib $<TARGET_FILE:rdrop_cuda_mock> ${mock_directory}
                           ${CMAKE_CXX_COMPILER}
                   COMMAND ${CMAKE_COMMAND} -E touch ${stubs_stamp}
                   DEPENDS ${stubs_script} rdrop_cuda_mock VERBATIM)

# The driver is the core without what JavaScript sees. The core's precompiled header leaves calls of Napi in every object,
# which nothing here makes: the functions are there for the linker alone.
file(GLOB mock_driver CONFIGURE_DEPENDS native/test/cuda_mock/driver/*.cc)
set(core_objects "$<FILTER:$<TARGET_OBJECTS:rdrop_core>,EXCLUDE,native/addon/>")
list(GET CMAKE_JS_INC 0 node_api_headers)
file(STRINGS ${node_api_headers}/../def/node_api.def node_api REGEX "^ *napi_")
set(no_javascript "#include <stdlib.h>\n")
foreach(function ${node_api})
  string(STRIP "${function}" function)
  string(APPEND no_javascript "extern \"C\" void ${function}() { abort(); }\n")
endforeach()
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/no_javascript.cc CONTENT "${no_javascript}")
add_executable(cuda_mock_driver EXCLUDE_FROM_ALL ${mock_driver} ${core_objects} ${all_kernels}
               ${CMAKE_BINARY_DIR}/no_javascript.cc)
target_include_directories(cuda_mock_driver PRIVATE native)
target_include_directories(cuda_mock_driver SYSTEM PRIVATE ${RDROP_LIBTORCH}/include
                           ${RDROP_LIBTORCH}/include/torch/csrc/api/include ${CUDAToolkit_INCLUDE_DIRS})
target_compile_options(cuda_mock_driver PRIVATE -Wall -Wextra)
target_link_libraries(cuda_mock_driver PRIVATE rdrop_cuda_mock OpenMP::OpenMP_CXX ${CMAKE_DL_LIBS} ${RDROP_LIBTORCH}/lib/libtorch_cpu.so
                      ${RDROP_LIBTORCH}/lib/libc10.so -Wl,--no-as-needed ${torch_cuda_libraries} -Wl,--allow-shlib-undefined
                      -Wl,-rpath,${RDROP_LIBTORCH}/lib)

set_target_properties(rdrop_emulated rdrop_cuda_mock cuda_mock_driver PROPERTIES
                      LIBRARY_OUTPUT_DIRECTORY ${mock_directory} RUNTIME_OUTPUT_DIRECTORY ${mock_directory})
add_custom_target(cuda_mock DEPENDS rdrop_emulated rdrop_cuda_mock cuda_mock_driver ${stubs_stamp} rdrop_cuda)
