# cmake/warnings.cmake — the warnings under which the project itself is compiled; its users choose their own.
#
# g++ 12 sees an overlap in every `"text" + std::string` that it inlines (GCC PR 105651, mended in 13), so it is not asked about overlaps.
# In a unity build (CMAKE_UNITY_BUILD) it takes a file that was included for a header, whose anonymous namespace nobody should hold on to.
# At -O0 it also warns of a compare-exchange whose failure order is stronger than its success order, which is legal since C++17 (P0418).
function(gmpcoro_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra $<$<BOOL:${GMPCORO_WERROR}>:-Werror>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE $<$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>:-Wno-subobject-linkage>)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-invalid-memory-model)
  endif()
endfunction()
