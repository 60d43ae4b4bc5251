# Read by cpack once for each generator.
set(CPACK_INSTALL_CMAKE_PROJECTS
  "${CPACK_ACTSCOPE_BUILD};actscope;Unspecified;/;${CPACK_ACTSCOPE_BUILD};actscope;fewbit;/")
if(CPACK_GENERATOR STREQUAL "DEB")
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
else()
  string(APPEND CPACK_INSTALL_CMAKE_PROJECTS ";${CPACK_ACTSCOPE_BUILD};actscope;bundled;/")
endif()
