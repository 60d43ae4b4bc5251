# The kernels of AArch64 where this is no such machine: a cross compiler and qemu check them against the reference, if
# both are here (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user).
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  return()
endif()
find_program(AARCH64_GCC aarch64-linux-gnu-gcc)
find_program(QEMU_AARCH64 qemu-aarch64)
if(NOT AARCH64_GCC OR NOT QEMU_AARCH64)
  message(STATUS "kernels/neon is not tested: no aarch64-linux-gnu-gcc or no qemu-aarch64")
  return()
endif()
set(room ${PROJECT_SOURCE_DIR}/kernels)
set(sources ${PROJECT_SOURCE_DIR}/tests/kernels/neon/check_neon.c ${PROJECT_SOURCE_DIR}/tests/kernels/kernels_check.c
  ${PROJECT_SOURCE_DIR}/common/error.c ${room}/neon/activations.c ${room}/neon/codec.c ${room}/ref/activations.c
  ${room}/ref/codec.c ${room}/code.c ${room}/codec.c ${room}/half.c ${room}/function.c ${room}/function_formulas.c)
file(GLOB headers CONFIGURE_DEPENDS ${room}/*.h ${room}/neon/*.h ${room}/ref/*.h)
add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/check_neon
  COMMAND ${AARCH64_GCC} -std=gnu17 -O2 -ffp-contract=off -Wall -Wextra -Wshadow -D_GNU_SOURCE -static
    -I ${PROJECT_SOURCE_DIR} ${sources} -lm -o ${CMAKE_CURRENT_BINARY_DIR}/check_neon
  DEPENDS ${sources} ${headers} VERBATIM COMMENT "Cross-compiling check_neon")
add_custom_target(kernels_check_neon ALL DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/check_neon)
add_test(NAME kernels/neon_under_qemu COMMAND ${QEMU_AARCH64} ${CMAKE_CURRENT_BINARY_DIR}/check_neon)
set_tests_properties(kernels/neon_under_qemu PROPERTIES TIMEOUT 300)
