# Step 2: see CMakeLists.txt. Against the libtorch of this machine, of any version from 2.11 to 2.14.
if(NOT EXISTS "${RDROP_LIBTORCH}/lib/libtorch_cuda.so")
  message(FATAL_ERROR "RDROP_LIBTORCH must name a CUDA build of libtorch; '${RDROP_LIBTORCH}/lib/libtorch_cuda.so' does not exist")
endif()
foreach(archive device cpu)
  set(${archive}_kernels "${RDROP_GPU_ARCHIVES}/librdrop_${archive}_kernels.a")
  if(NOT EXISTS "${${archive}_kernels}")
    message(FATAL_ERROR "RDROP_GPU_ARCHIVES must name the directory of step 1; '${${archive}_kernels}' does not exist")
  endif()
endforeach()
find_package(CUDAToolkit REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)

set(torch_includes ${RDROP_LIBTORCH}/include ${RDROP_LIBTORCH}/include/torch/csrc/api/include ${CUDAToolkit_INCLUDE_DIRS})
set(torch_libraries ${RDROP_LIBTORCH}/lib/libtorch_cpu.so ${RDROP_LIBTORCH}/lib/libc10.so)
# The libraries that libtorch itself needs (cuBLAS, cuDNN, NCCL) are found by its own run path.
set(link_options -Wl,--allow-shlib-undefined -Wl,-rpath,${RDROP_LIBTORCH}/lib)

file(GLOB core_sources CONFIGURE_DEPENDS ${native}/core/*.cc ${native}/device/*.cc ${native}/model/*.cc ${native}/model/*/*.cc
     ${native}/ops/*/*.cc ${native}/training/*.cc ${native}/translation/*.cc)
list(FILTER core_sources EXCLUDE REGEX "_per_isa\\.cc$|_test\\.cc$|/kernels\\.cc$|/embedding_groups\\.cc$")
add_library(core OBJECT ${core_sources})
target_include_directories(core PRIVATE ${native})
target_include_directories(core SYSTEM PRIVATE ${torch_includes})
target_precompile_headers(core PRIVATE <ATen/Parallel.h> <ATen/core/Tensor.h> <ATen/ops/empty.h> <memory> <string> <vector>)
target_link_libraries(core PRIVATE OpenMP::OpenMP_CXX)

file(GLOB cuda_device CONFIGURE_DEPENDS ${native}/device/cuda/*.cc)
add_library(rdrop_cuda SHARED ${cuda_device} mirrors_off.cc)
target_include_directories(rdrop_cuda PRIVATE ${native})
target_include_directories(rdrop_cuda SYSTEM PRIVATE ${torch_includes})
target_link_libraries(rdrop_cuda PRIVATE ${device_kernels} ${RDROP_LIBTORCH}/lib/libtorch_cuda.so
                      ${RDROP_LIBTORCH}/lib/libc10_cuda.so ${torch_libraries} CUDA::cudart ${link_options}
                      -Wl,--version-script,${rdrop_root}/cmake/exports.map)

add_executable(step_driver step_driver.cc step_checks.cc step_times.cc step_profile.cc $<TARGET_OBJECTS:core>)
target_include_directories(step_driver PRIVATE ${native})
target_include_directories(step_driver SYSTEM PRIVATE ${torch_includes})
target_compile_options(step_driver PRIVATE -Wall -Wextra)
target_compile_definitions(step_driver PRIVATE RDROP_LIBTORCH_LIBRARIES="${RDROP_LIBTORCH}/lib")
target_link_libraries(step_driver PRIVATE ${cpu_kernels} OpenMP::OpenMP_CXX ${torch_libraries} ${CMAKE_DL_LIBS} ${link_options})
add_dependencies(step_driver rdrop_cuda)

# The addon for stage `node`: the headers of Node-API, as CMakeLists.txt of the package takes them.
if(CMAKE_JS_INC)
  include(${CMAKE_CURRENT_SOURCE_DIR}/addon.cmake)
endif()
