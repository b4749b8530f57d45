# cmake/dependencies.cmake — fmt, liburing and threads, found the same way by the build and by the installed package.
#
# Each is looked for as a CMake package first (vcpkg, Conan, a parent project), then by pkg-config (distributions).
# Whichever it was, the library links gmpcoro::fmt and gmpcoro::uring, so that no target without our prefix is made up.
set(gmpcoro_missing "")
if(NOT TARGET Threads::Threads)
  find_package(Threads QUIET)
  if(NOT TARGET Threads::Threads)
    list(APPEND gmpcoro_missing "threads")
  endif()
endif()

# name: ours.  package, imported: as CMake packages call it.  module: as pkg-config calls it.  hint: what to install on Debian.
macro(gmpcoro_dependency name package imported module hint)
  if(NOT TARGET gmpcoro::${name})
    if(NOT TARGET ${imported})
      find_package(${package} CONFIG QUIET)
    endif()
    if(TARGET ${imported})
      add_library(gmpcoro::${name} INTERFACE IMPORTED GLOBAL)
      target_link_libraries(gmpcoro::${name} INTERFACE ${imported})
    else()
      find_package(PkgConfig QUIET)
      if(PkgConfig_FOUND)
        pkg_check_modules(gmpcoro_${name} QUIET IMPORTED_TARGET GLOBAL ${module})
      endif()
      if(TARGET PkgConfig::gmpcoro_${name})
        add_library(gmpcoro::${name} INTERFACE IMPORTED GLOBAL)
        target_link_libraries(gmpcoro::${name} INTERFACE PkgConfig::gmpcoro_${name})
      else()
        list(APPEND gmpcoro_missing "${module} (Debian: ${hint})")
      endif()
    endif()
  endif()
endmacro()

gmpcoro_dependency(fmt fmt fmt::fmt fmt "libfmt-dev pkg-config")
gmpcoro_dependency(uring liburing liburing::liburing liburing "liburing-dev pkg-config")

if(gmpcoro_missing AND NOT CMAKE_FIND_PACKAGE_NAME STREQUAL "gmpcoro")
  list(JOIN gmpcoro_missing ", " gmpcoro_missing)
  message(FATAL_ERROR "gmpcoro needs, and did not find: ${gmpcoro_missing}")
endif()
