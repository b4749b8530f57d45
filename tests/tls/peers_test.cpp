// tests/tls/peers_test.cpp — against what others have written: openssl s_client, openssl s_server, curl.
// Go: crypto/tls/handshake_client_test.go (recorded there, from OpenSSL).  Room: tests/tls.
//
// They run as processes of their own, on 127.0.0.1. Where one is not installed its tests are skipped.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "gmp/go.hpp"
#include "gmp/io.hpp"
#include "support/files.hpp"
#include "tls/pair.hpp"

namespace gmp::peers_test {
namespace {

using net::tls_errc;
using net::TlsConfig;
using test::authority;
using test::client_config;
using test::localhost;
using test::make_identity;
using test::on_executor;
using test::server_config;

bool installed(const std::string& program) { return std::system(("command -v " + program + " >/dev/null").c_str()) == 0; }

/// A command that runs, and what it prints, stderr too.
class Command {
 public:
  explicit Command(const std::string& text) : out_(::popen((text + " 2>&1").c_str(), "re")) { test::check(out_ != nullptr, "popen"); }
  ~Command() { static_cast<void>(end()); }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  /// The next line, or nothing at the end.
  std::string line() {
    char text[1024];
    return std::fgets(text, sizeof text, out_) != nullptr ? text : "";
  }
  /// Up to its end.
  std::string rest() {
    std::string all;
    for (std::string one = line(); !one.empty(); one = line()) all += one;
    return all;
  }
  int end() { return out_ != nullptr ? ::pclose(std::exchange(out_, nullptr)) : 0; }

 private:
  std::FILE* out_;
};

/// The certificates as files, for as long as a test takes.
class Peers : public ::testing::TestWithParam<const char*> {
 protected:
  Peers() {
    folder_.with("roots.pem", authority().pem);
    folder_.with("cert.pem", localhost().pem);
    folder_.with("key.pem", localhost().key_pem);
    folder_.with("stranger.pem", make_identity({.authority = true}).pem);
  }
  std::string file(const char* name) const { return folder_.path(name); }

  const test::TempDir folder_;
};

/// Accepts one connection, answers a line of it by "got LINE", and closes it; gives what went wrong.
Task<std::string> answer_one(net::Listener ln, const TlsConfig& config) {
  const net::Conn raw = (co_await ln.accept()).value();
  const net::Conn tls = net::tls_server(raw, config);
  io::BufReader in{tls};
  const auto line = co_await in.read_line();
  if (line.err) co_return line.message();
  const std::string answer = "got " + std::string(line.get<0>()) + "\n";
  const auto wrote = co_await tls.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(answer.size()) + "\r\n\r\n" + answer);
  tls.close();
  co_return wrote.message();
}

/// What the command prints that is run against such a server; {PORT} in it is the port.
struct Talk {
  Talk() noexcept {}
  std::string printed, server;
};
Talk talk(std::string command) {
  return on_executor([&]() -> Task<Talk> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const TlsConfig config = server_config();
    const std::string port = std::to_string(ln.addr().port());
    for (std::size_t at = 0; (at = command.find("{PORT}")) != std::string::npos;) command.replace(at, 6, port);
    auto server = spawn(answer_one, ln, std::cref(config));
    Talk said;
    const auto run = [&command, &said] { said.printed = Command(command).rest(); };
    co_await blocking(run);
    said.server = co_await server;
    co_return said;
  });
}

INSTANTIATE_TEST_SUITE_P(Tls, Peers, ::testing::Values("-tls1_2", "-tls1_3"));

TEST_P(Peers, OpensslsClientUnderstandsOurServer) {
  if (!installed("openssl")) GTEST_SKIP() << "no openssl";
  const std::string client =
      "echo hello | openssl s_client -connect 127.0.0.1:{PORT} -quiet -verify_return_error -verify_hostname localhost ";
  const Talk good = talk(client + GetParam() + " -CAfile " + file("roots.pem"));
  EXPECT_NE(good.printed.find("got hello\n"), std::string::npos) << good.printed;
  EXPECT_EQ(good.server, "");
  const Talk bad = talk(client + GetParam() + " -CAfile " + file("stranger.pem"));
  EXPECT_EQ(bad.printed.find("got hello"), std::string::npos) << bad.printed;
  EXPECT_EQ(bad.server, "remote error: tls: unknown certificate authority");
}

TEST_P(Peers, OpensslsServerUnderstandsOurClient) {
  if (!installed("openssl")) GTEST_SKIP() << "no openssl";
  const auto ask = [&](std::string name) {
    Command server("exec openssl s_server -accept 127.0.0.1:0 -naccept 1 -rev -alpn echo -cert " + file("cert.pem") + " -key " +
                   file("key.pem") + " " + GetParam());
    std::string port;
    for (std::string line = server.line(); !line.empty(); line = server.line()) {
      if (line.starts_with("ACCEPT ")) {
        port = line.substr(line.rfind(':') + 1);
        break;
      }
    }
    while (!port.empty() && port.back() < '0') port.pop_back();
    std::string said = on_executor([&]() -> Task<std::string> {
      const net::Conn raw = (co_await net::dial("tcp", "127.0.0.1:" + port)).value();
      TlsConfig config = client_config(name);
      config.next_protos = {"echo"};
      const net::Conn tls = net::tls_client(raw, config);
      const auto wrote = co_await tls.write("hello\n");
      if (wrote.err) co_return wrote.message();
      io::BufReader in{tls};
      const auto line = co_await in.read_line();
      EXPECT_EQ(net::tls_state(tls).negotiated_protocol, "echo");
      EXPECT_EQ(net::tls_state(tls).version, std::string(GetParam()) == "-tls1_2" ? net::TlsVersion::tls_1_2 : net::TlsVersion::tls_1_3);
      tls.close();
      if (line.err) co_return line.message();
      co_return std::string(line.get<0>());
    });
    static_cast<void>(server.rest());
    return said;
  };
  EXPECT_EQ(ask("localhost"), "olleh");
  EXPECT_EQ(ask("example.com"), "tls: failed to verify certificate: x509: certificate is valid for localhost, not example.com");
}

TEST_P(Peers, CurlUnderstandsOurServer) {
  if (!installed("curl")) GTEST_SKIP() << "no curl";
  const bool old = std::string(GetParam()) == "-tls1_2";
  const std::string curl = std::string("curl -sS --max-time 20 --noproxy '*' ") + (old ? "--tls-max 1.2" : "--tlsv1.3") +
                           " --resolve localhost:{PORT}:127.0.0.1 https://localhost:{PORT}/x --cacert ";
  const Talk good = talk(curl + file("roots.pem"));
  EXPECT_EQ(good.printed, "got GET /x HTTP/1.1\n");
  EXPECT_EQ(good.server, "");
  const Talk bad = talk(curl + file("stranger.pem"));
  EXPECT_NE(bad.printed.find("curl: (60)"), std::string::npos) << bad.printed;
  EXPECT_EQ(bad.server, "remote error: tls: unknown certificate authority");
}

// ---- OpenSSL in this process, with a socket of its own, to do what its programs do only when asked by hand

struct FreeBio {
  void operator()(BIO* bio) const noexcept { BIO_free_all(bio); }
};

Task<std::string> echo_one(net::Listener ln, const TlsConfig& config) {
  const net::Conn raw = (co_await ln.accept()).value();
  const net::Conn tls = net::tls_server(raw, config);
  const auto copied = co_await io::copy(tls, tls);
  tls.close();
  co_return copied.message();
}

/// Sends back what a client of OpenSSL's sends, while `client` has that one's SSL on a plain thread; gives what the server met.
template <class F>
std::string echo_for(int version, F client) {
  return on_executor([&]() -> Task<std::string> {
    const net::Listener ln = net::listen("tcp", "127.0.0.1:0").value();
    const TlsConfig config = server_config();
    auto server = spawn(echo_one, ln, std::cref(config));
    const auto run = [&] {
      SSL_CTX* context = SSL_CTX_new(TLS_client_method());
      SSL_CTX_set_max_proto_version(context, version);
      const std::unique_ptr<BIO, FreeBio> bio(BIO_new_ssl_connect(context));
      BIO_set_conn_hostname(bio.get(), ("127.0.0.1:" + std::to_string(ln.addr().port())).c_str());
      SSL* ssl = nullptr;
      BIO_get_ssl(bio.get(), &ssl);
      EXPECT_EQ(BIO_do_handshake(bio.get()), 1);
      const int on = 1;
      ::setsockopt(SSL_get_fd(ssl), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      client(ssl);
      SSL_CTX_free(context);
    };
    co_await blocking(run);
    std::string met = co_await server;
    co_return met;
  });
}

void expect_echo(SSL* ssl, const std::string& sent) {
  EXPECT_EQ(SSL_write(ssl, sent.data(), static_cast<int>(sent.size())), static_cast<int>(sent.size()));
  std::string got(sent.size(), '\0');
  for (std::size_t n = 0; n < got.size();) {
    const int more = SSL_read(ssl, got.data() + n, static_cast<int>(got.size() - n));
    ASSERT_GT(more, 0);
    n += static_cast<std::size_t>(more);
  }
  EXPECT_TRUE(got == sent);
}

TEST(TlsPeer, KeysAreRenewedWhileDataFlow) {
  const std::string met = echo_for(TLS1_3_VERSION, [](SSL* ssl) {
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(SSL_key_update(ssl, i % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED), 1);
      expect_echo(ssl, test::pattern(20000, static_cast<std::uint64_t>(i)));
    }
    SSL_shutdown(ssl);
  });
  EXPECT_EQ(met, "");
}

TEST(TlsPeer, NobodyStartsAnew) {
  const std::string met = echo_for(TLS1_2_VERSION, [](SSL* ssl) {
    expect_echo(ssl, "before");
    EXPECT_EQ(SSL_renegotiate(ssl), 1);
    EXPECT_LE(SSL_do_handshake(ssl), 0);
  });
  EXPECT_EQ(met, "remote error: tls: handshake failure");  // OpenSSL's client takes the refusal for one
}

}  // namespace
}  // namespace gmp::peers_test
