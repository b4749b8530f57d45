// src/net/op_error.cpp — puts failed network operations into words, when somebody asks.
// Go: net/net.go (OpError.Error).  Room: net (floor 5).
#include "net/op_error.hpp"

#include <new>

namespace gmp::detail {
namespace {

class FailureContext final : public ErrorContext {
 public:
  explicit FailureContext(Failure why) noexcept : why_(std::move(why)) {}
  // A code that was replaced since (a dial that was canceled) is not what the details are about.
  std::string text(const std::error_code& err) const override { return err == why_.code ? why_.text() : err.message(); }

 private:
  Failure why_;
};

class OpContext final : public ErrorContext {
 public:
  OpContext(const char* op, std::string_view network, const net::Addr& source, const net::Addr& addr, Failure why)
      : op_(op), network_(network), source_(source), addr_(addr), why_(std::move(why)) {}

  std::string text(const std::error_code& err) const override {
    std::string out = op_;
    if (!network_.empty()) out.append(" ").append(network_);
    if (source_) out.append(" ").append(source_.to_string());
    if (addr_) out.append(source_ ? "->" : " ").append(addr_.to_string());
    return out.append(": ").append(why_.text(err));
  }

 private:
  const char* op_;
  std::string network_;
  net::Addr source_, addr_;
  FailureContext why_;
};

}  // namespace

Failure address_failure(std::string_view address, errc e) {
  if (address.empty()) return e;
  return {e, std::string("address ").append(address).append(": ")};
}

Failure system_failure(std::string_view call, int error_number) {
  return {std::error_code(error_number, errno_category()), std::string(call).append(": ")};
}

Failure lookup_failure(std::string_view name, errc e) { return {e, std::string("lookup ").append(name).append(": ")}; }

ErrorContextRef failure_context(Failure why) noexcept { return make_error_context<FailureContext>(std::move(why)); }

ErrorContextRef op_context(const char* op, std::string_view network, const net::Addr& source, const net::Addr& addr, Failure why) noexcept {
  return make_error_context<OpContext>(op, network, source, addr, std::move(why));
}

ErrorContextRef path_context(const char* op, std::string_view path) noexcept {
  try {
    return text_before(std::string(op).append(" ").append(path).append(": "));
  } catch (const std::bad_alloc&) {
    return {};
  }
}

}  // namespace gmp::detail
