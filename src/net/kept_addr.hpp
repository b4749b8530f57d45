// src/net/kept_addr.hpp — KeptAddr: an address that lies with its connection, in 40 bytes where an Addr takes 120.
// Go: none (an interface value, on the heap).  Room: net (floor 5).
//
// An Addr has room for a unix path, which few connections have; two of them were a third of what an idle connection costs.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "gmp/detail/net/addr.hpp"

namespace gmp::detail {

/// The door for this room's files into how an Addr lies in memory.
struct AddrBytes {
  /// How many bytes from its begin are not just zeros.
  static std::size_t used(const net::Addr& addr) noexcept {
    return static_cast<std::size_t>(addr.bytes_ - reinterpret_cast<const char*>(&addr)) + addr.used();
  }
};

class KeptAddr {
 public:
  KeptAddr() = default;
  /// False: no memory; then it is as before.
  bool set(const net::Addr& addr) noexcept {
    std::unique_ptr<const net::Addr> whole;
    if (AddrBytes::used(addr) > head_.size()) {
      whole.reset(new (std::nothrow) net::Addr(addr));
      if (!whole) return false;
    }
    whole_ = std::move(whole);
    std::memcpy(head_.data(), &addr, head_.size());
    return true;
  }
  net::Addr get() const noexcept {
    if (whole_) return *whole_;
    net::Addr addr;
    std::memcpy(static_cast<void*>(&addr), head_.data(), head_.size());
    return addr;
  }

 private:
  std::unique_ptr<const net::Addr> whole_;  // if head_ does not hold all of it
  std::array<char, 32> head_{};             // all zero: no address
};

}  // namespace gmp::detail
