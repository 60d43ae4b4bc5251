# libfewbit as a user meets it: installed, found by pkg-config and by CMake, linked shared and static.
if(NOT ACTSCOPE_SANITIZE AND NOT ACTSCOPE_COVERAGE)
  add_test(NAME kernels/install
    COMMAND bash ${PROJECT_SOURCE_DIR}/tests/kernels/install/test_install.sh ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}
      ${CMAKE_C_COMPILER})
  set_tests_properties(kernels/install PROPERTIES TIMEOUT 300)
endif()
