# libfewbit on x86 CPUs that lack AVX-512 or AVX2 too, which qemu plays: what is chosen and what is refused there.
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" OR ACTSCOPE_SANITIZE OR ACTSCOPE_COVERAGE)
  return()
endif()
find_program(QEMU_X86_64 qemu-x86_64)
if(NOT QEMU_X86_64)
  add_test(NAME kernels/lesser_cpu_under_qemu
    COMMAND sh -c "echo 'SKIPPED: CPUs without AVX-512 ARE NOT TESTED: install qemu-user' && exit 77")
  set_tests_properties(kernels/lesser_cpu_under_qemu PROPERTIES SKIP_RETURN_CODE 77)
  return()
endif()
add_executable(kernels_lesser_cpu ${PROJECT_SOURCE_DIR}/examples/c/fewbit_example.c)
target_link_libraries(kernels_lesser_cpu PRIVATE actscope_kernels)
target_compile_definitions(kernels_lesser_cpu PRIVATE _GNU_SOURCE)
add_test(NAME kernels/lesser_cpu_under_qemu
  COMMAND bash ${PROJECT_SOURCE_DIR}/tests/kernels/lesser_cpu/test_lesser_cpu.sh ${QEMU_X86_64}
    $<TARGET_FILE:kernels_lesser_cpu>)
