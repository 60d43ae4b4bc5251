# The kernels of AArch64 where this is no such machine: a cross compiler and qemu check them against the reference.
# Elsewhere test_kernels.c does. The cross compiler builds the same from every build folder: one kind of them is enough.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64" OR ACTSCOPE_SANITIZE OR ACTSCOPE_COVERAGE)
  return()
endif()
find_program(AARCH64_GCC aarch64-linux-gnu-gcc)
find_program(QEMU_AARCH64 qemu-aarch64)
set(missing)
if(NOT QEMU_AARCH64)
  list(APPEND missing qemu-user)
endif()
if(NOT AARCH64_GCC)
  list(APPEND missing gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
elseif(NOT AARCH64_LIBC_FOUND)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/neon_try.c "#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n")
  execute_process(COMMAND ${AARCH64_GCC} -static neon_try.c -o neon_try WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}
    RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(status EQUAL 0)
    set(AARCH64_LIBC_FOUND ON CACHE INTERNAL "The cross compiler has a C library")
  else()
    list(APPEND missing libc6-dev-arm64-cross)
  endif()
endif()
if(missing)
  list(JOIN missing " " missing)
  message(WARNING "kernels/neon IS NOT TESTED: install ${missing}")
  add_test(NAME kernels/neon_under_qemu
    COMMAND sh -c "echo 'SKIPPED: kernels/neon IS NOT TESTED: install ${missing}' && exit 77")
  set_tests_properties(kernels/neon_under_qemu PROPERTIES SKIP_RETURN_CODE 77)
  return()
endif()

set(room ${PROJECT_SOURCE_DIR}/kernels)
file(GLOB sources CONFIGURE_DEPENDS ${room}/neon/*.c ${room}/ref/*.c)
list(APPEND sources ${PROJECT_SOURCE_DIR}/tests/kernels/neon/check_neon.c
  ${PROJECT_SOURCE_DIR}/tests/kernels/kernels_check.c ${PROJECT_SOURCE_DIR}/common/error.c
  ${room}/code.c ${room}/codec.c ${room}/half.c ${room}/function.c ${room}/function_formulas.c)
file(GLOB headers CONFIGURE_DEPENDS ${room}/*.h ${room}/neon/*.h ${room}/ref/*.h)
add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/check_neon
  COMMAND ${AARCH64_GCC} -std=gnu17 -O2 -ffp-contract=off -Wall -Wextra -Wshadow
    $<$<BOOL:${CMAKE_COMPILE_WARNING_AS_ERROR}>:-Werror> -D_GNU_SOURCE -static -I ${PROJECT_SOURCE_DIR} ${sources} -lm
    -o ${CMAKE_CURRENT_BINARY_DIR}/check_neon
  DEPENDS ${sources} ${headers} COMMAND_EXPAND_LISTS VERBATIM
  COMMENT "Cross-compiling check_neon")
add_custom_target(kernels_check_neon ALL DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/check_neon)
add_test(NAME kernels/neon_under_qemu COMMAND ${QEMU_AARCH64} ${CMAKE_CURRENT_BINARY_DIR}/check_neon)
set_tests_properties(kernels/neon_under_qemu PROPERTIES TIMEOUT 300)
