# tests/cmake/forms.cmake — the library as a static and as a shared one, of the same objects: the second costs a link.
#
# gmpcoro_form(name STATIC|SHARED of): library `name` is `of` itself if that has this form already.
function(gmpcoro_form name form of)
  get_target_property(type ${of} TYPE)
  if(type STREQUAL "${form}_LIBRARY")
    add_library(${name} ALIAS ${of})
    return()
  endif()
  add_library(${name} ${form} EXCLUDE_FROM_ALL $<TARGET_OBJECTS:${of}>)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX OUTPUT_NAME ${of}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/forms ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/forms)
  gmpcoro_versioned(${name})
  gmpcoro_sanitize(${name})
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/include)
  target_compile_definitions(${name} PUBLIC $<$<BOOL:${GMPCORO_CHAOS}>:GMPCORO_CHAOS>)
  get_target_property(libraries ${of} LINK_LIBRARIES)
  list(TRANSFORM libraries REPLACE "^gmpcoro$" "gmpcoro_${form}")
  target_link_libraries(${name} PUBLIC Threads::Threads PRIVATE ${libraries})
endfunction()

# gmpcoro_STATIC for what looks inside, gmpcoro_SHARED for what shows what users have of it; gmpcoro_tls_STATIC, gmpcoro_tls_SHARED.
foreach(form STATIC SHARED)
  gmpcoro_form(gmpcoro_${form} ${form} gmpcoro)
  if(GMPCORO_TLS)
    gmpcoro_form(gmpcoro_tls_${form} ${form} gmpcoro_tls)
  endif()
endforeach()
