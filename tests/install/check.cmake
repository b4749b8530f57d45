# tests/install/check.cmake — installs the built library into a folder of its own, builds a program against it, runs it.
#
# cmake -DSOURCE=… -DBUILD=… -DLIBDIR=… -DNAME=… -DCXX=… -DGENERATOR=… -P check.cmake find_package|add_subdirectory|pkg_config|gnu_mp|tls|tls_pkg_config|deb
# The same with -DOTHER_CXX=… and `shared`: a project that compiles the library as a shared one and installs it, found there by a program of the other compiler;
# with -DPYTHON=… it shows what tests/guest/symbols.txt says, too.
math(EXPR last "${CMAKE_ARGC} - 1")
set(way "${CMAKE_ARGV${last}}")
set(place ${BUILD}/tests/install/${NAME})
set(prefix ${place}/prefix)
file(REMOVE_RECURSE ${place})
file(MAKE_DIRECTORY ${place})

function(step)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
endfunction()

function(expect_hello)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${prefix}/${LIBDIR} ${ARGN}
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE error TIMEOUT 20)
  if(NOT status EQUAL 0 OR NOT output STREQUAL "42\n")
    message(FATAL_ERROR "the program ended with ${status}, printed '${output}' instead of 42, and said: ${error}")
  endif()
endfunction()

if(way STREQUAL "gnu_mp")
  execute_process(COMMAND ${CXX} -x c++ -E -include gmp.h /dev/null RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(NOT status EQUAL 0)
    message("skipped: GNU MP is not installed (Debian: libgmp-dev)")  # ctest knows the word
    return()
  endif()
endif()

if(way STREQUAL "deb")
  find_program(dpkg dpkg)
  if(NOT dpkg)
    message("skipped: no dpkg here")
    return()
  endif()
  step(${CMAKE_CPACK_COMMAND} -G DEB --config ${BUILD}/CPackConfig.cmake -B ${place}/package)
  file(GLOB package ${place}/package/*.deb)
  # A system of its own, in a folder: nobody need be root, and this one stays as it is.
  set(root ${place}/root)
  file(MAKE_DIRECTORY ${root}/var/lib/dpkg/info ${root}/var/lib/dpkg/updates)
  file(TOUCH ${root}/var/lib/dpkg/status ${root}/var/lib/dpkg/available)
  set(dpkg ${CMAKE_COMMAND} -E env PATH=/usr/local/sbin:/usr/sbin:/sbin:$ENV{PATH} ${dpkg} --root=${root} --force-depends --force-not-root --log=/dev/null)
  step(${dpkg} --install ${package})
  set(prefix ${root}/usr)
elseif(NOT way MATCHES "add_subdirectory|shared")
  step(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
  file(GLOB_RECURSE script ${prefix}/*/gmpcoro-gdb.py)
  if(NOT script)
    message(FATAL_ERROR "gmpcoro-gdb.py is not installed")
  endif()
endif()

# As a reader of the README would type it.
function(by_pkg_config compiler program module)
  step(${CMAKE_COMMAND} -E env PKG_CONFIG_PATH=${prefix}/${LIBDIR}/pkgconfig
    sh -c "exec '${compiler}' -std=c++20 '${CMAKE_CURRENT_LIST_DIR}/${program}.cpp' -o '${place}/${program}' $(pkg-config --cflags --libs ${module})")
  expect_hello(${place}/${program})
endfunction()

if(way STREQUAL "tls_pkg_config")
  by_pkg_config(${CXX} tls gmpcoro_tls)
elseif(way MATCHES "pkg_config|deb")
  by_pkg_config(${CXX} hello gmpcoro)
else()
  set(form "")
  if(way STREQUAL "shared")
    set(form -DBUILD_SHARED_LIBS=ON -DGMPCORO_INSTALL=ON)
  endif()
  # A unity build, as some projects have: it takes a third of the time.
  step(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${place}/build -G ${GENERATOR} -DWAY=${way} -DGMPCORO_SOURCE=${SOURCE}
    -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0
    -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=16 ${form})
  step(${CMAKE_COMMAND} --build ${place}/build --parallel)
  expect_hello(${place}/build/hello)
endif()

if(way STREQUAL "shared")
  step(${CMAKE_COMMAND} --install ${place}/build --prefix ${prefix})
  by_pkg_config(${OTHER_CXX} hello gmpcoro)
  execute_process(COMMAND readelf -d ${place}/hello OUTPUT_VARIABLE needs)
  if(NOT needs MATCHES "NEEDED[^\n]*\\[libgmpcoro\\.so\\.[0-9]+\\.[0-9]+\\]")  # before 1.0 a minor version may break
    message(FATAL_ERROR "the program needs no libgmpcoro.so.MAJOR.MINOR:\n${needs}")
  endif()
endif()

if(way STREQUAL "shared" AND PYTHON)
  set(guest ${CMAKE_CURRENT_LIST_DIR}/../guest)
  step(${PYTHON} -B ${guest}/check.py abi ${guest}/symbols.txt subset ${place}/build/layout ${prefix}/${LIBDIR}/libgmpcoro.so ${prefix}/${LIBDIR}/libgmpcoro_tls.so)
endif()

if(way STREQUAL "deb")
  step(${dpkg} --remove libgmpcoro-dev)
  file(GLOB_RECURSE left LIST_DIRECTORIES true ${root}/usr/*)
  if(left)
    message(FATAL_ERROR "removed, and left behind: ${left}")
  endif()
endif()
