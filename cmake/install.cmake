# cmake/install.cmake — what `cmake --install` copies: headers, library, CMake package, pkg-config file.  All of it may be moved afterwards.
include(CMakePackageConfigHelpers)
set(gmpcoro_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gmpcoro)

set(gmpcoro_headers_left_out "")
if(NOT GMPCORO_TLS)
  set(gmpcoro_headers_left_out REGEX "/gmp/(detail/)?tls(\\.hpp|$)" EXCLUDE)
endif()
install(DIRECTORY include/gmp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp" ${gmpcoro_headers_left_out})
install(TARGETS gmpcoro EXPORT gmpcoro-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT gmpcoro-targets NAMESPACE gmpcoro:: DESTINATION ${gmpcoro_package_dir})
if(GMPCORO_TLS)
  install(TARGETS gmpcoro_tls EXPORT gmpcoro-tls-targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT gmpcoro-tls-targets NAMESPACE gmpcoro:: DESTINATION ${gmpcoro_package_dir})
endif()

install(FILES src/debug/gmpcoro-gdb.py DESTINATION ${CMAKE_INSTALL_DATADIR}/gmpcoro)

configure_package_config_file(cmake/gmpcoro-config.cmake.in ${PROJECT_BINARY_DIR}/gmpcoro-config.cmake
  INSTALL_DESTINATION ${gmpcoro_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gmpcoro-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/gmpcoro-config.cmake
  ${PROJECT_BINARY_DIR}/gmpcoro-config-version.cmake
  cmake/dependencies.cmake
  DESTINATION ${gmpcoro_package_dir})

# A static library does not know what it needs, so its pkg-config file must say it without --static; a shared one does.
get_target_property(gmpcoro_type gmpcoro TYPE)
if(gmpcoro_type STREQUAL "STATIC_LIBRARY")
  set(gmpcoro_pc_requires "Requires: fmt liburing")
  set(gmpcoro_pc_tls_requires "Requires: gmpcoro = ${PROJECT_VERSION}, libssl >= 3, libcrypto >= 3")
else()
  set(gmpcoro_pc_requires "Requires.private: fmt liburing")
  set(gmpcoro_pc_tls_requires "Requires: gmpcoro = ${PROJECT_VERSION}\nRequires.private: libssl >= 3, libcrypto >= 3")
endif()
foreach(kind INCLUDE LIB)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${kind}DIR}")
    set(gmpcoro_pc_${kind}DIR "${CMAKE_INSTALL_${kind}DIR}")
  else()
    set(gmpcoro_pc_${kind}DIR "\${prefix}/${CMAKE_INSTALL_${kind}DIR}")
  endif()
endforeach()
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(gmpcoro_pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH gmpcoro_pc_up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" gmpcoro_pc_up "${gmpcoro_pc_up}")
  set(gmpcoro_pc_prefix "\${pcfiledir}/${gmpcoro_pc_up}")
endif()
configure_file(cmake/gmpcoro.pc.in ${PROJECT_BINARY_DIR}/gmpcoro.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/gmpcoro.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(GMPCORO_TLS)
  configure_file(cmake/gmpcoro_tls.pc.in ${PROJECT_BINARY_DIR}/gmpcoro_tls.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/gmpcoro_tls.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
