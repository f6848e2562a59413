# For the presets: what scripts/steps.mjs otherwise hands over, the directory of libtorch and the headers of Node-API. The
# script provides the packages, dist/ and libtorch where they are not there yet.
if(NOT RDROP_LIBTORCH OR NOT CMAKE_JS_INC)
  execute_process(COMMAND node ${CMAKE_CURRENT_SOURCE_DIR}/scripts/libtorch.mjs
                  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(RDROP_LIBTORCH "${found}" CACHE PATH "directory of libtorch: holds include/ and lib/" FORCE)
  set(modules ${CMAKE_CURRENT_SOURCE_DIR}/node_modules)
  set(CMAKE_JS_INC "${modules}/node-api-headers/include;${modules}/node-addon-api" CACHE STRING "headers of Node-API")
endif()
