# gpu_kernels, of the kernels of device and CPU in gpu_objects (object files) or gpu_libraries, and of the CUDA runtime in
# gpu_cudart. The device's kernels must have been compiled with launch_hook.h.
set(gpu_directory ${CMAKE_CURRENT_LIST_DIR})
get_filename_component(gpu_native "${gpu_directory}/../.." ABSOLUTE)
file(GLOB gpu_tests CONFIGURE_DEPENDS ${gpu_native}/ops/*/*_test.cc)
file(GLOB gpu_benchmarks CONFIGURE_DEPENDS ${gpu_directory}/bench*.cc)
add_executable(gpu_kernels ${gpu_directory}/main.cc ${gpu_directory}/mirrors.cc ${gpu_directory}/heap.cc ${gpu_benchmarks}
               ${gpu_native}/test/run_cases.cc ${gpu_tests} ${gpu_objects})
target_include_directories(gpu_kernels PRIVATE ${gpu_native})
target_include_directories(gpu_kernels SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
target_compile_options(gpu_kernels PRIVATE -Wall -Wextra)
target_link_libraries(gpu_kernels PRIVATE ${gpu_libraries} ${gpu_cudart})
set_target_properties(gpu_kernels PROPERTIES LINKER_LANGUAGE CXX)
