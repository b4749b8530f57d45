// include/gmp/detail/base/ref.hpp — Ref: a counted reference to something that counts itself, or to nothing.
// Go: none (a pointer, and the collector).  Room: base (floor 0).
#pragma once

#include <utility>

namespace gmp::detail {

/// T has ref() and unref().
template <class T>
class Ref {
 public:
  constexpr Ref() noexcept = default;
  /// Takes the caller's reference over.
  explicit Ref(T* adopted) noexcept : to_(adopted) {}
  Ref(const Ref& other) noexcept : to_(other.to_) {
    if (to_ != nullptr) to_->ref();
  }
  Ref(Ref&& other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(to_, other.to_);
    return *this;
  }
  ~Ref() {
    if (to_ != nullptr) to_->unref();
  }
  T* get() const noexcept { return to_; }

 private:
  T* to_ = nullptr;
};

}  // namespace gmp::detail
