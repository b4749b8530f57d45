// tests/install/tls.cpp — a program outside the project that wants TLS.
// Go: none.  Room: tests/install.
#include <gmp/gmp.hpp>
#include <gmp/tls.hpp>

#include <cstdio>

gmp::Task<int> answer() {
  auto [a, b] = gmp::net::pipe();
  const gmp::net::TlsConfig config;  // without a name to expect
  const gmp::net::Conn tls = gmp::net::tls_client(a, config);
  const auto [n, err] = co_await tls.write("hello");
  co_return err == gmp::net::tls_errc::bad_config ? 42 : static_cast<int>(n);
}

int main() { std::printf("%d\n", gmp::run(answer)); }
