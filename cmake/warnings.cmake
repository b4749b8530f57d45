# cmake/warnings.cmake — the warnings under which the project itself is compiled; its users choose their own.
function(gmpcoro_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra $<$<BOOL:${GMPCORO_WERROR}>:-Werror>)
endfunction()
