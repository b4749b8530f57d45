# cmake/tls.cmake — gmpcoro::tls: a library of its own, so that the core does not link OpenSSL.
#
# Option GMPCORO_TLS; if nobody has said anything: on if OpenSSL 3 is there.
if(NOT DEFINED GMPCORO_TLS)
  find_package(OpenSSL 3 QUIET COMPONENTS SSL Crypto)
endif()
option(GMPCORO_TLS "Build gmpcoro::tls, which needs OpenSSL 3 or newer" ${OpenSSL_FOUND})
if(NOT GMPCORO_TLS)
  return()
endif()
find_package(OpenSSL 3 QUIET COMPONENTS SSL Crypto)
if(NOT OpenSSL_FOUND)
  message(FATAL_ERROR "gmpcoro::tls needs OpenSSL 3 (Debian: libssl-dev); without it: -DGMPCORO_TLS=OFF")
endif()

file(GLOB gmpcoro_tls_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/tls/*.cpp)
add_library(gmpcoro_tls ${gmpcoro_tls_sources})
add_library(gmpcoro::tls ALIAS gmpcoro_tls)
target_include_directories(gmpcoro_tls PRIVATE ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(gmpcoro_tls PUBLIC gmpcoro PRIVATE OpenSSL::SSL OpenSSL::Crypto)
set_target_properties(gmpcoro_tls PROPERTIES EXPORT_NAME tls CXX_EXTENSIONS OFF)
gmpcoro_hidden(gmpcoro_tls)
gmpcoro_versioned(gmpcoro_tls)
gmpcoro_warnings(gmpcoro_tls)
gmpcoro_sanitize(gmpcoro_tls)
if(NOT PROJECT_IS_TOP_LEVEL AND NOT GMPCORO_INSTALL)
  set_target_properties(gmpcoro_tls PROPERTIES EXCLUDE_FROM_ALL ON)  # a host that does not link it does not build it
endif()
