# tests/cmake/registration.cmake — tells ctest of one run: every one has labels, a time limit, and 77 for "skipped".
#
# Sanitizers make everything slower, so they lengthen every limit; the limit in the binary (per test case) ends a hang long before ctest does.
set(gmpcoro_slower 1)
if(NOT GMPCORO_SANITIZE STREQUAL "")
  set(gmpcoro_slower 3)
endif()

# gmpcoro_register(name LABELS … TIMEOUT seconds COMMAND … [ENV A=b …] [ALONE])      ALONE: nothing runs beside it
function(gmpcoro_register name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "ALONE" "TIMEOUT" "LABELS;COMMAND;ENV")
  math(EXPR limit "${arg_TIMEOUT} * ${gmpcoro_slower}")
  add_test(NAME ${name} COMMAND ${arg_COMMAND} COMMAND_EXPAND_LISTS)
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${limit} SKIP_RETURN_CODE 77 RUN_SERIAL "${arg_ALONE}")
  if(arg_ENV)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "${arg_ENV}")
  endif()
endfunction()

# gmpcoro_run(name BINARY unit|go|stress|model LABELS … [SELECT regex] [LAUNCH failsys-arguments…] [ENV …] [TIMEOUT seconds])
# A run of a test binary, if it has sources; alone on the machine, as many tests look at the clock.
function(gmpcoro_run name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "BINARY;SELECT;TIMEOUT" "LABELS;LAUNCH;ENV")
  if(NOT TARGET gmpcoro_${arg_BINARY}_tests)
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 240)
  endif()
  set(command gmpcoro_${arg_BINARY}_tests --gtest_brief=1)
  if(arg_SELECT)
    list(APPEND command "--select=${arg_SELECT}")
  endif()
  if(arg_LAUNCH)
    list(POP_FRONT command)
    list(PREPEND command gmpcoro_failsys ${arg_LAUNCH} $<TARGET_FILE:gmpcoro_${arg_BINARY}_tests>)
  endif()
  gmpcoro_register(${name} ALONE LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT} ENV ${arg_ENV} COMMAND ${command})
endfunction()
