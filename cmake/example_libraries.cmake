# cmake/example_libraries.cmake — which examples are built: all, but those whose library is not there.
#
# Sets gmpcoro_examples (files), and gmpcoro_libraries_of_<name> (what to link) for those that stand on another library.
file(GLOB gmpcoro_examples CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.cpp)

# gmpcoro_example_needs(name found package libraries…): package is Debian's.
macro(gmpcoro_example_needs name found package)
  if(${found})
    set(gmpcoro_libraries_of_${name} ${ARGN})
  else()
    list(FILTER gmpcoro_examples EXCLUDE REGEX "/${name}\\.cpp$")
    message(STATUS "gmpcoro: example ${name} is left out (Debian: ${package})")
  endif()
endmacro()

find_path(GMPCORO_asio_INCLUDE asio.hpp)
if(NOT GMPCORO_asio_INCLUDE OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # with clang Asio 1.22 has no awaitable
  list(FILTER gmpcoro_examples EXCLUDE REGEX "/asio_")
endif()
if(NOT GMPCORO_TLS)
  list(FILTER gmpcoro_examples EXCLUDE REGEX "/https_")
endif()

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(GMPCORO_CURL QUIET IMPORTED_TARGET libcurl)
  pkg_check_modules(GMPCORO_SQLITE QUIET IMPORTED_TARGET sqlite3)
  pkg_check_modules(GMPCORO_PQ QUIET IMPORTED_TARGET libpq>=14)
  pkg_check_modules(GMPCORO_GRPC QUIET IMPORTED_TARGET grpc++>=1.51)
endif()
gmpcoro_example_needs(curl_multi GMPCORO_CURL_FOUND libcurl4-openssl-dev PkgConfig::GMPCORO_CURL)
gmpcoro_example_needs(sqlite_pool GMPCORO_SQLITE_FOUND libsqlite3-dev PkgConfig::GMPCORO_SQLITE)
gmpcoro_example_needs(pq_pipeline GMPCORO_PQ_FOUND libpq-dev PkgConfig::GMPCORO_PQ)
gmpcoro_example_needs(grpc_echo GMPCORO_GRPC_FOUND libgrpc++-dev PkgConfig::GMPCORO_GRPC)
