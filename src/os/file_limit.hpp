// src/os/file_limit.hpp — what limit of descriptors a child is to have.
// Go: syscall/rlimit.go (origRlimitNofile).  Room: os (floor 5).
#pragma once

#include <sys/resource.h>

#include <optional>

namespace gmp::detail {

/// The one that this process had before raise_file_limit(), unless somebody else has set it since; none: as here.
std::optional<rlimit> file_limit_of_children() noexcept;

}  // namespace gmp::detail
