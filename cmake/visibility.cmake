# cmake/visibility.cmake — what the libraries show: nothing but what GMPCORO_EXPORT says; and a shared one under a name that bears the version.
#
# Before 1.0 a minor version may break, so it stands in the soname, and in the node of each symbol (cmake/symbols.map.in): a program that was linked with
# another one does not start, and two of them may be in one process.  tests/guest/symbols.txt is the list of what is there.
set(gmpcoro_abi ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(gmpcoro_symbols_map ${PROJECT_BINARY_DIR}/gmpcoro.map)
configure_file(${PROJECT_SOURCE_DIR}/cmake/symbols.map.in ${gmpcoro_symbols_map} @ONLY)

# What is compiled.
function(gmpcoro_hidden target)
  set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
endfunction()

# What is linked, if it is.
function(gmpcoro_versioned target)
  set_target_properties(${target} PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${gmpcoro_abi} LINK_DEPENDS ${gmpcoro_symbols_map})
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "SHARED_LIBRARY")
    target_link_options(${target} PRIVATE "LINKER:--version-script=${gmpcoro_symbols_map}")
    if(GMPCORO_SANITIZE STREQUAL "")  # clang has a sanitizer's runtime in the program alone
      target_link_options(${target} PRIVATE LINKER:--no-undefined)
    endif()
  endif()
endfunction()
