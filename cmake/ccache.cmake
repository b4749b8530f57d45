# cmake/ccache.cmake — compiles through ccache where it is installed.
#
# The tests use a precompiled header, which ccache stores only if told that its time stamps and macros do not matter.
find_program(GMPCORO_CCACHE ccache)
mark_as_advanced(GMPCORO_CCACHE)
if(GMPCORO_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime "${GMPCORO_CCACHE}")
endif()
