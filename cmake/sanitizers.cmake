# cmake/sanitizers.cmake — GMPCORO_SANITIZE: address brings undefined and leak along; thread stands alone.
#
# What links the library must link the sanitizer's runtime too, hence the PUBLIC link option; it is not part of an installed package.
if(GMPCORO_SANITIZE STREQUAL "")
  set(gmpcoro_sanitizer_flags "")
elseif(GMPCORO_SANITIZE STREQUAL "address")
  set(gmpcoro_sanitizer_flags -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(GMPCORO_SANITIZE STREQUAL "thread")
  set(gmpcoro_sanitizer_flags -fsanitize=thread -fno-omit-frame-pointer)
else()
  message(FATAL_ERROR "GMPCORO_SANITIZE is '${GMPCORO_SANITIZE}'; it must be address, thread, or empty.")
endif()

function(gmpcoro_sanitize target)
  target_compile_options(${target} PRIVATE ${gmpcoro_sanitizer_flags})
  target_link_options(${target} PUBLIC "$<BUILD_INTERFACE:${gmpcoro_sanitizer_flags}>")
endfunction()
