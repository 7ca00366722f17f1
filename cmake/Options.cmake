# Compiler settings that every target of this project shares, as the interface target
# backprop_options.

option(BACKPROP_WERROR "Treat warnings as errors" OFF)
option(BACKPROP_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(BACKPROP_COVERAGE "Build with coverage counters" OFF)
option(BACKPROP_FUZZ "Build tests/fuzz as libFuzzer's fuzzers (Clang), with the sanitizers" OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

add_library(backprop_options INTERFACE)
target_compile_features(backprop_options INTERFACE c_std_11)
target_compile_definitions(backprop_options INTERFACE
    _POSIX_C_SOURCE=200809L
    _FILE_OFFSET_BITS=64
    CL_TARGET_OPENCL_VERSION=120
    CL_USE_DEPRECATED_OPENCL_1_2_APIS)
target_compile_options(backprop_options INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wno-missing-field-initializers # members that are not named are zero
    -Wvla -Wundef -fvisibility=hidden)
if(BACKPROP_WERROR)
    target_compile_options(backprop_options INTERFACE -Werror)
endif()
if(BACKPROP_SANITIZE)
    target_compile_options(backprop_options INTERFACE
        -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    target_link_options(backprop_options INTERFACE -fsanitize=address,undefined)
endif()
if(BACKPROP_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
        message(FATAL_ERROR "BACKPROP_FUZZ needs Clang: -DCMAKE_C_COMPILER=clang")
    endif()
    target_compile_options(backprop_options INTERFACE
        -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
        -fno-omit-frame-pointer)
    target_link_options(backprop_options INTERFACE -fsanitize=address,undefined)
endif()
if(BACKPROP_COVERAGE)
    target_compile_options(backprop_options INTERFACE --coverage)
    target_link_options(backprop_options INTERFACE --coverage)
endif()
