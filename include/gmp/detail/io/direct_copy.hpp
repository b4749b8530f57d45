// include/gmp/detail/io/direct_copy.hpp — how io::copy finds out that two streams have a way of their own, past its buffer.
// Go: io.ReaderFrom, io.WriterTo.  Room: io (floor 5).
//
// io knows no descriptors.  A stream that may have such a way tells by copy_end(), a value in whose namespace there is
//   Task<DirectCopy> copy_directly(To to, From from, Context ctx);
// Whether there is a way between these two it says itself, at run time.
#pragma once

#include <concepts>
#include <cstdint>

#include "gmp/context.hpp"
#include "gmp/result.hpp"
#include "gmp/task.hpp"

namespace gmp::detail {

struct DirectCopy {
  enum class Then : std::uint8_t {
    read_on,   // it pays no more: by read and write from here on, and this way again when much comes
    no_way,    // by read and write to the end
    over,      // the source has ended, or failure says why not
  };
  DirectCopy() noexcept {}

  std::uint64_t copied = 0;
  Then then = Then::no_way;
  Result<void> failure;
};

template <class Destination, class Source>
concept MayCopyDirectly = requires(const Destination& destination, const Source& source) {
  { copy_directly(destination.copy_end(), source.copy_end(), Context()) } -> std::same_as<Task<DirectCopy>>;
  { source.copy_end().sends_at_once() } -> std::same_as<bool>;
};

}  // namespace gmp::detail
