// include/gmp/detail/net/descriptor_ref.hpp — DescriptorRef: what a Conn or Listener is: a counted reference to a descriptor, or to none.
// Go: *net.netFD.  Room: net (floor 5).
#pragma once

#include <utility>

#include "gmp/detail/base/config.hpp"

namespace gmp::detail {

class Descriptor;

GMPCORO_EXPORT void ref_handle(Descriptor* fd) noexcept;
GMPCORO_EXPORT void unref_handle(Descriptor* fd) noexcept;  // the last one closes

class DescriptorRef {
 public:
  DescriptorRef() noexcept = default;
  explicit DescriptorRef(Descriptor* adopted) noexcept : fd_(adopted) {}
  DescriptorRef(const DescriptorRef& other) noexcept : fd_(other.fd_) {
    if (fd_ != nullptr) ref_handle(fd_);
  }
  DescriptorRef(DescriptorRef&& other) noexcept : fd_(std::exchange(other.fd_, nullptr)) {}
  DescriptorRef& operator=(DescriptorRef other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~DescriptorRef() {
    if (fd_ != nullptr) unref_handle(fd_);
  }
  Descriptor* get() const noexcept { return fd_; }

 private:
  Descriptor* fd_ = nullptr;
};

}  // namespace gmp::detail
