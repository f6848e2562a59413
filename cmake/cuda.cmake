# librdrop_cuda.so: the kernels of native/ops/*/*.cu, compiled by nvcc without libtorch's headers, and the device of
# native/device/cuda/*.cc, compiled by the C++ compiler with them. It exports rdrop_open_device and a lock of the process, and has no run path: the
# core opens libtorch first. RDROP_CUDA_ARCHITECTURES has CMake's syntax for CMAKE_CUDA_ARCHITECTURES.
set(RDROP_CUDA_ARCHITECTURES "80-real;86-real;89-real;90" CACHE STRING "chips to compile for, and the PTX of the last")
set(CMAKE_CUDA_ARCHITECTURES "${RDROP_CUDA_ARCHITECTURES}")
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_FLAGS_RELEASE "-O3")
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
enable_language(CUDA)
include(${CMAKE_CURRENT_LIST_DIR}/cuda_standard.cmake)
find_package(CUDAToolkit REQUIRED)

set(torch_cuda_libraries ${RDROP_LIBTORCH}/lib/libtorch_cuda.so ${RDROP_LIBTORCH}/lib/libc10_cuda.so)
foreach(library ${torch_cuda_libraries})
  if(NOT EXISTS "${library}")
    message(FATAL_ERROR "RDROP_CUDA needs a CUDA build of libtorch; '${library}' does not exist")
  endif()
endforeach()

# One CUDA runtime in the process: the toolkit's must have the major version of libtorch's.
file(STRINGS "${RDROP_LIBTORCH}/version.py" cuda_line REGEX "^cuda.*'[0-9]+\\.")
string(REGEX REPLACE ".*'([0-9]+)\\..*" "\\1" torch_cuda_major "${cuda_line}")
if(cuda_line AND NOT torch_cuda_major EQUAL CUDAToolkit_VERSION_MAJOR)
  message(FATAL_ERROR "libtorch in '${RDROP_LIBTORCH}' was built with CUDA ${torch_cuda_major}, nvcc is of CUDA "
                      "${CUDAToolkit_VERSION}: install a toolkit of CUDA ${torch_cuda_major}")
endif()

file(GLOB cuda_kernels CONFIGURE_DEPENDS native/ops/*/*.cu)
file(GLOB cuda_device CONFIGURE_DEPENDS native/device/cuda/*.cc)
add_library(cuda_kernels OBJECT ${cuda_kernels})
target_include_directories(cuda_kernels PRIVATE native)
# Tests ask for it: registers that do not suffice end the compilation, and the kernels can start on memory of the host
# (native/test/gpu/mirrors.h), which librdrop_cuda.so leaves switched off. What runs on the device is the same.
option(RDROP_CUDA_STRICT "for tests: treat spilled registers as an error" OFF)
set(mirrors "")
if(RDROP_CUDA_STRICT)
  target_compile_options(cuda_kernels PRIVATE -Xptxas=--warn-on-spills,--warning-as-error
                         "SHELL:-include ${CMAKE_CURRENT_SOURCE_DIR}/native/test/gpu/launch_hook.h")
  set(mirrors native/test/gpu/mirrors_off.cc)
endif()

add_library(rdrop_cuda SHARED ${cuda_device} ${mirrors} $<TARGET_OBJECTS:cuda_kernels>)
target_include_directories(rdrop_cuda PRIVATE native)
target_include_directories(rdrop_cuda SYSTEM PRIVATE ${RDROP_LIBTORCH}/include)
target_compile_options(rdrop_cuda PRIVATE -Wall -Wextra)
# libtorch_cuda needs libraries (cuBLAS, cuDNN, NCCL) that are no concern of the linker.
target_link_libraries(rdrop_cuda PRIVATE ${torch_cuda_libraries} ${RDROP_LIBTORCH}/lib/libtorch_cpu.so
                      ${RDROP_LIBTORCH}/lib/libc10.so CUDA::cudart -Wl,--allow-shlib-undefined
                      -Wl,--version-script,${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.map)
set_target_properties(rdrop_cuda PROPERTIES LINKER_LANGUAGE CXX LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/Release)
