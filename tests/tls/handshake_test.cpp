// tests/tls/handshake_test.cpp — who is believed and who is not, what both ends agree on, and how it is said when they do not.
// Go: crypto/tls/handshake_client_test.go, handshake_server_test.go, tls_test.go.  Room: tests/tls.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "gmp/context.hpp"
#include "gmp/io.hpp"
#include "support/files.hpp"
#include "tls/pair.hpp"

namespace gmp::handshake_test {
namespace {

using namespace std::chrono_literals;
using net::ClientAuth;
using net::tls_errc;
using net::TlsConfig;
using net::TlsVersion;
using test::authority;
using test::client_config;
using test::ConnPair;
using test::Identity;
using test::localhost;
using test::make_identity;
using test::on_executor;
using test::Outcome;
using test::server_config;
using test::shake_hands;
using test::shaken_pair;
using test::tls_pair;

const std::string refused = "tls: failed to verify certificate: x509: ";

/// What a client that expects `name` says to a server that shows `who`.
Result<void> clients_view(const Identity& who, std::string name, std::string network = "tcp") {
  const TlsConfig client = client_config(name), server = server_config(who);
  return on_executor([&]() -> Task<Result<void>> {
    const ConnPair pair = co_await tls_pair(network, client, server);
    const Outcome outcome = co_await shake_hands(pair);
    if (outcome.client.err) {  // the server is told, by an alert: in the handshake if it is 1.3, as the client's part is still to come
      EXPECT_GE(net::tls_remote_alert(outcome.server.err), 0) << outcome.server.message();
      EXPECT_TRUE(outcome.server.message().starts_with("remote error: tls: ")) << outcome.server.message();
      char byte[1];
      const auto read = co_await pair.a.read(byte);  // and it stays so
      EXPECT_EQ(read.err, outcome.client.err);
      EXPECT_EQ(read.message(), outcome.client.message());
      const auto wrote = co_await pair.a.write("x");
      EXPECT_EQ(wrote.message(), outcome.client.message());
      EXPECT_FALSE(net::tls_state(pair.a).handshake_complete);
    }
    co_return outcome.client;
  });
}

class EachNetwork : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Tls, EachNetwork, ::testing::Values("tcp", "pipe"));

TEST_P(EachNetwork, ACertificateThatIsGoodIsBelieved) {
  EXPECT_EQ(clients_view(localhost(), "localhost", GetParam()).message(), "");
  EXPECT_EQ(clients_view(localhost(), "127.0.0.1", GetParam()).message(), "");
  EXPECT_EQ(clients_view(localhost(), "localhost.", GetParam()).message(), "");
}

TEST_P(EachNetwork, AnUnknownAuthorityIsRefused) {
  static const Identity stranger = make_identity({.common_name = "Stranger Root", .names = "", .authority = true});
  const auto by_stranger = clients_view(make_identity({}, &stranger), "localhost", GetParam());
  EXPECT_EQ(by_stranger.err, tls_errc::unknown_authority);
  EXPECT_EQ(by_stranger.err.message(), "x509: certificate signed by unknown authority");
  EXPECT_EQ(by_stranger.message(), refused + "certificate signed by unknown authority");
  EXPECT_EQ(clients_view(make_identity({}), "localhost", GetParam()).message(), refused + "certificate signed by unknown authority");
}

TEST(TlsVerify, TheSystemsRootsDoNotKnowOurs) {
  on_executor([]() -> Task<> {
    TlsConfig client = client_config();
    client.roots_pem.clear();
    const TlsConfig server = server_config();
    const ConnPair pair = co_await tls_pair("tcp", client, server);
    const Outcome outcome = co_await shake_hands(pair);
    EXPECT_EQ(outcome.client.err, tls_errc::unknown_authority);
  });
}

TEST(TlsVerify, AnotherNameIsRefused) {
  const auto other = clients_view(localhost(), "example.com");
  EXPECT_EQ(other.err, tls_errc::wrong_name);
  EXPECT_EQ(other.message(), refused + "certificate is valid for localhost, not example.com");
  EXPECT_EQ(clients_view(localhost(), "127.0.0.2").message(), refused + "certificate is valid for 127.0.0.1, not 127.0.0.2");
  EXPECT_EQ(clients_view(localhost(), "::1").message(), refused + "certificate is valid for 127.0.0.1, not ::1");
  EXPECT_EQ(clients_view(make_identity({.names = "DNS:a,DNS:*.b.c"}, &authority()), "localhost").message(),
            refused + "certificate is valid for a, *.b.c, not localhost");
  EXPECT_EQ(clients_view(make_identity({.names = "DNS:localhost"}, &authority()), "127.0.0.1").message(),
            refused + "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs");
  EXPECT_EQ(clients_view(make_identity({.names = ""}, &authority()), "localhost").message(),
            refused + "certificate relies on legacy Common Name field, use SANs instead");
}

TEST(TlsVerify, NamesWithAStarAndAddressesOfVersion6AreUnderstood) {
  const Identity who = make_identity({.names = "DNS:*.example.com,IP:::1"}, &authority());
  EXPECT_EQ(clients_view(who, "www.example.com").message(), "");
  EXPECT_EQ(clients_view(who, "::1").message(), "");
  EXPECT_EQ(clients_view(who, "[::1]").message(), "");
  EXPECT_EQ(clients_view(who, "a.b.example.com").err, tls_errc::wrong_name);
  EXPECT_EQ(clients_view(who, "example.com").err, tls_errc::wrong_name);
}

TEST(TlsVerify, ItsTimeIsLookedAt) {
  const auto expired = clients_view(make_identity({.from_s = -7200, .until_s = -3600}, &authority()), "localhost");
  EXPECT_EQ(expired.err, tls_errc::expired);
  EXPECT_EQ(expired.err.message(), "x509: certificate has expired or is not yet valid");
  EXPECT_TRUE(expired.message().starts_with(refused + "certificate has expired or is not yet valid: current time 20")) << expired.message();
  EXPECT_NE(expired.message().find("Z is after 20"), std::string::npos) << expired.message();
  const auto early = clients_view(make_identity({.from_s = 3600, .until_s = 7200}, &authority()), "localhost");
  EXPECT_EQ(early.err, tls_errc::expired);
  EXPECT_NE(early.message().find("Z is before 20"), std::string::npos) << early.message();
}

TEST(TlsVerify, ACertificateForClientsIsNoServers) {
  const auto r = clients_view(make_identity({.usage = "clientAuth"}, &authority()), "localhost");
  EXPECT_EQ(r.err, tls_errc::bad_certificate);
  EXPECT_EQ(r.message(), refused + "certificate specifies an incompatible key usage");
}

TEST(TlsVerify, AnIntermediateThatIsSentAlongLeadsToTheRoot) {
  const Identity between = make_identity({.common_name = "Between", .names = "", .authority = true}, &authority());
  Identity who = make_identity({}, &between);
  EXPECT_EQ(clients_view(who, "localhost").err, tls_errc::unknown_authority);
  who.pem += between.pem;
  EXPECT_EQ(clients_view(who, "localhost").message(), "");
}

TEST(TlsVerify, MaySkippedIfOneMustAndThenNoNameIsNeeded) {
  on_executor([]() -> Task<> {
    const Identity nobody = make_identity({.names = "", .from_s = -7200, .until_s = -3600});
    const TlsConfig client = {.insecure_skip_verify = true}, server = server_config(nobody);
    const ConnPair pair = co_await shaken_pair("tcp", client, server);
    EXPECT_EQ(net::tls_state(pair.a).peer_certificates, std::vector<std::string>{"CN=localhost,O=Gopher"});
  });
}

// ---- what they agree on

class EachVersion : public ::testing::TestWithParam<TlsVersion> {};
INSTANTIATE_TEST_SUITE_P(Tls, EachVersion, ::testing::Values(TlsVersion::tls_1_2, TlsVersion::tls_1_3));

TEST_P(EachVersion, TheStateSaysIt) {
  on_executor([]() -> Task<> {
    for (const std::string network : {"tcp", "unix", "pipe"}) {
      const test::TempDir folder;
      ConnPair below;
      if (network == "unix")
        below = co_await test::conn_pair(network, folder.path("socket"));
      else
        below = co_await test::raw_pair(network);
      TlsConfig client = client_config(), server = server_config();
      client.max_version = GetParam();
      client.next_protos = {"h2", "http/1.1"};
      server.next_protos = {"http/1.1", "h2"};
      const ConnPair pair(net::tls_client(below.a, client), net::tls_server(below.b, server));
      EXPECT_FALSE(net::tls_state(pair.a).handshake_complete);
      const Outcome outcome = co_await shake_hands(pair);
      EXPECT_EQ(outcome.client.message() + outcome.server.message(), "");
      for (const net::Conn& conn : {pair.a, pair.b}) {
        const net::TlsState state = net::tls_state(conn);
        EXPECT_TRUE(state.handshake_complete);
        EXPECT_EQ(state.version, GetParam());
        EXPECT_EQ(state.negotiated_protocol, "http/1.1");  // the server's taste
        EXPECT_EQ(state.server_name, "localhost");
        EXPECT_TRUE(state.cipher_suite.starts_with("TLS_")) << state.cipher_suite;
        EXPECT_FALSE(state.did_resume);
      }
      EXPECT_EQ(net::tls_state(pair.a).peer_certificates.at(0), "CN=localhost,O=Gopher");
      EXPECT_TRUE(net::tls_state(pair.b).peer_certificates.empty());
      EXPECT_EQ(pair.a.local_addr(), below.a.local_addr());
      EXPECT_EQ(pair.a.remote_addr(), below.a.remote_addr());
      EXPECT_EQ(pair.a.native_handle(), below.a.native_handle());
    }
  });
}

TEST(TlsHandshake, AnAddressIsNotSentAsAName) {
  on_executor([]() -> Task<> {
    const TlsConfig client = client_config("127.0.0.1"), server = server_config();
    const ConnPair pair = co_await shaken_pair("tcp", client, server);
    EXPECT_EQ(net::tls_state(pair.b).server_name, "");
  });
}

TEST(TlsHandshake, WithoutACommonProtocolTheServerRefusesAndWithoutAListItDoesNotCare) {
  on_executor([]() -> Task<> {
    TlsConfig client = client_config(), server = server_config();
    client.next_protos = {"h2"};
    server.next_protos = {"http/1.1"};
    const ConnPair pair = co_await tls_pair("tcp", client, server);
    const Outcome outcome = co_await shake_hands(pair);
    EXPECT_EQ(outcome.client.message(), "remote error: tls: no application protocol");
    EXPECT_EQ(net::tls_remote_alert(outcome.client.err), 120);
    EXPECT_EQ(outcome.server.message(), "tls: client requested unsupported application protocols");
    server.next_protos.clear();
    const ConnPair careless = co_await shaken_pair("tcp", client, server);
    EXPECT_EQ(net::tls_state(careless.a).negotiated_protocol, "");
  });
}

TEST(TlsHandshake, WithoutACommonVersionItFails) {
  on_executor([]() -> Task<> {
    TlsConfig client = client_config(), server = server_config();
    client.max_version = TlsVersion::tls_1_2;
    server.min_version = TlsVersion::tls_1_3;
    const ConnPair pair = co_await tls_pair("tcp", client, server);
    const Outcome outcome = co_await shake_hands(pair);
    EXPECT_EQ(outcome.client.message(), "remote error: tls: protocol version not supported");
    EXPECT_EQ(outcome.server.message(), "tls: no version supported by both client and server");
    EXPECT_EQ(outcome.server.err, tls_errc::protocol);
  });
}

// ---- certificates of clients

struct ClientCase {
  const char* name;
  ClientAuth auth;
  enum { none, good, strange } shows;
  const char* server_says;  // empty: it is content
  const char* client_reads;
};
void PrintTo(const ClientCase& one, std::ostream* out) { *out << one.name; }
class ClientCertificate : public ::testing::TestWithParam<std::tuple<ClientCase, TlsVersion>> {};
constexpr ClientCase client_cases[] = {
    {"NotAskedFor", ClientAuth::no_client_cert, ClientCase::good, "", ""},
    {"AskedForAndNotGiven", ClientAuth::request_client_cert, ClientCase::none, "", ""},
    {"AskedForAndAnyone", ClientAuth::request_client_cert, ClientCase::strange, "", ""},
    {"NeededAndNotGiven", ClientAuth::require_any_client_cert, ClientCase::none, "tls: client didn't provide a certificate", ""},
    {"NeededAndAnyone", ClientAuth::require_any_client_cert, ClientCase::strange, "", ""},
    {"LookedAtAndNotGiven", ClientAuth::verify_client_cert_if_given, ClientCase::none, "", ""},
    {"LookedAtAndStrange", ClientAuth::verify_client_cert_if_given, ClientCase::strange,
     "tls: failed to verify certificate: x509: certificate signed by unknown authority",
     "remote error: tls: unknown certificate authority"},
    {"NeededLookedAtAndNotGiven", ClientAuth::require_and_verify_client_cert, ClientCase::none, "tls: client didn't provide a certificate",
     ""},
    {"NeededLookedAtAndGood", ClientAuth::require_and_verify_client_cert, ClientCase::good, "", ""},
};
INSTANTIATE_TEST_SUITE_P(Tls, ClientCertificate,
                         ::testing::Combine(::testing::ValuesIn(client_cases),
                                            ::testing::Values(TlsVersion::tls_1_2, TlsVersion::tls_1_3)));

TEST_P(ClientCertificate, IsTakenAsTheServerWants) {
  const auto& [one, version] = GetParam();
  static const Identity good = make_identity({.common_name = "Alice", .names = "DNS:alice"}, &authority());
  static const Identity strange = make_identity({.common_name = "Mallory", .names = "DNS:mallory"});
  TlsConfig client = client_config(), server = server_config();
  client.max_version = version;
  if (one.shows != ClientCase::none) {
    client.certificate_pem = one.shows == ClientCase::good ? good.pem : strange.pem;
    client.key_pem = one.shows == ClientCase::good ? good.key_pem : strange.key_pem;
  }
  server.client_auth = one.auth;
  server.client_cas_pem = authority().pem;
  on_executor([&]() -> Task<> {
    const ConnPair pair = co_await tls_pair("tcp", client, server);
    const Outcome outcome = co_await shake_hands(pair);
    EXPECT_EQ(outcome.server.message(), one.server_says);
    const std::string says = one.server_says;
    if (!says.empty()) {  // a client of 1.3 has done its part before it is refused
      char byte[1];
      const auto read = co_await pair.a.read(byte);
      EXPECT_GE(net::tls_remote_alert(read.err), 0) << read.message();
      const std::string reads = one.client_reads;
      if (!reads.empty()) {
        EXPECT_EQ(read.message(), reads);
      }
      co_return;
    }
    EXPECT_EQ(outcome.client.message(), "");
    std::vector<std::string> shown;
    if (one.auth != ClientAuth::no_client_cert && one.shows == ClientCase::good) shown = {"CN=Alice,O=Gopher"};
    if (one.auth != ClientAuth::no_client_cert && one.shows == ClientCase::strange) shown = {"CN=Mallory,O=Gopher"};
    EXPECT_EQ(net::tls_state(pair.b).peer_certificates, shown);
  });
}

// ---- configurations

/// What the client of that configuration says, without a server.
std::string complaint(const TlsConfig& config, bool server = false) {
  return on_executor([&]() -> Task<std::string> {
    auto [a, b] = net::pipe();
    const net::Conn conn = server ? net::tls_server(a, config) : net::tls_client(a, config);
    const auto done = co_await net::tls_handshake(conn);
    co_return done.message();
  });
}

TEST(TlsConfig, WhatIsWrongWithItIsSaidByTheFirstOperation) {
  EXPECT_EQ(complaint({}), "tls: either ServerName or InsecureSkipVerify must be specified in the tls.Config");
  EXPECT_EQ(complaint({}, true), "tls: no certificates configured");
  EXPECT_EQ(complaint({.server_name = "a", .roots_file = "/nowhere/roots.pem"}), "open /nowhere/roots.pem: no such file or directory");
  EXPECT_EQ(complaint({.server_name = "a", .roots_file = "/"}), "read /: is a directory");
  EXPECT_EQ(complaint({.server_name = "a", .roots_pem = "nothing"}), "tls: failed to find any PEM data in roots input");
  EXPECT_EQ(complaint({.certificate_pem = "nothing"}, true), "tls: failed to find any PEM data in certificate input");
  EXPECT_EQ(complaint({.certificate_pem = localhost().pem}, true), "tls: failed to find any PEM data in key input");
  EXPECT_EQ(complaint({.certificate_pem = localhost().pem, .key_pem = authority().key_pem}, true),
            "tls: private key does not match public key");
  TlsConfig config = client_config();
  config.next_protos = {""};
  EXPECT_EQ(complaint(config), "tls: invalid NextProtos value");
  config = client_config();
  config.min_version = TlsVersion::tls_1_3;
  config.max_version = TlsVersion::tls_1_2;
  EXPECT_EQ(complaint(config), "tls: no supported versions satisfy MinVersion and MaxVersion");
  EXPECT_EQ(TlsConfig().load_for_server().message(), "tls: no certificates configured");
  EXPECT_EQ(TlsConfig().load_for_server().err, tls_errc::bad_config);
  EXPECT_EQ(server_config().load_for_server().message(), "");
}

TEST(TlsConfig, FilesAreReadOnceAndAChangedCopyAnew) {
  const test::TempDir folder;
  TlsConfig server = {.certificate_file = folder.with("both.pem", localhost().pem + localhost().key_pem)};
  TlsConfig client = {.server_name = "localhost", .roots_file = folder.with("roots.pem", authority().pem)};
  EXPECT_FALSE(server.load_for_server().err);
  EXPECT_FALSE(client.load_for_client().err);
  std::filesystem::remove_all(folder.path());
  const TlsConfig copy = client;
  on_executor([&]() -> Task<> {
    static_cast<void>(co_await shaken_pair("tcp", copy, server));
    static_cast<void>(co_await shaken_pair("tcp", client, server));
    client.roots_pem = authority().pem;  // another source: both are needed anew
    EXPECT_EQ(client.load_for_client().err, std::errc::no_such_file_or_directory);
    client.roots_file.clear();
    client.roots_pem = localhost().pem;
    const ConnPair pair = co_await tls_pair("tcp", client, server);
    const Outcome outcome = co_await shake_hands(pair);
    EXPECT_EQ(outcome.client.err, tls_errc::unknown_authority);
  });
}

// ---- peers that speak something else

TEST(TlsHandshake, AConnectionWithoutTlsIsNone) {
  on_executor([]() -> Task<> {
    const ConnPair below = co_await test::raw_pair();
    const auto r = co_await net::tls_handshake(below.a);
    EXPECT_EQ(r.err, tls_errc::not_a_tls_conn);
    const auto none = co_await net::tls_handshake(net::Conn());
    EXPECT_EQ(none.err, tls_errc::not_a_tls_conn);
    EXPECT_FALSE(net::tls_state(below.a).handshake_complete);
    const net::Conn nothing = net::tls_client(net::Conn(), client_config());
    const auto closed = co_await net::tls_handshake(nothing);
    EXPECT_EQ(closed.err, errc::closed);
  });
}

TEST(TlsHandshake, PlainHttpAndOtherTalkIsNoTls) {
  on_executor([]() -> Task<> {
    for (const std::string said :
         {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "x", "\x16\x47zzzzzzzz"}) {
      for (const bool server : {false, true}) {
        const ConnPair below = co_await test::raw_pair();
        const net::Conn tls = server ? net::tls_server(below.b, server_config()) : net::tls_client(below.b, client_config());
        static_cast<void>((co_await below.a.write(said)).value());
        const auto r = co_await net::tls_handshake(tls);
        EXPECT_EQ(r.err, tls_errc::not_tls) << said;
        EXPECT_EQ(r.message(), "tls: first record does not look like a TLS handshake") << said;
      }
    }
  });
}

TEST(TlsHandshake, GarbageInsideARecordIsRefusedWithAnAlert) {
  on_executor([]() -> Task<> {
    const ConnPair below = co_await test::raw_pair();
    const net::Conn tls = net::tls_server(below.b, server_config());
    static_cast<void>((co_await below.a.write(std::string_view("\x16\x03\x01\x00\x08\x63garbage", 13))).value());
    const auto r = co_await net::tls_handshake(tls);
    EXPECT_EQ(r.err, tls_errc::protocol) << r.message();
    EXPECT_TRUE(r.message().find("tls: ") != std::string::npos) << r.message();
    char alert[7];
    const auto told = co_await io::read_full(below.a, alert);
    EXPECT_EQ(told.get<0>(), 7u);
    EXPECT_EQ(alert[0], 0x15);  // an alert,
    EXPECT_EQ(alert[5], 2);     // a fatal one
  });
}

TEST(TlsHandshake, APeerThatLeavesInTheMiddleWasUnexpected) {
  on_executor([]() -> Task<> {
    for (const bool server : {false, true}) {
      const ConnPair below = co_await test::raw_pair();
      const net::Conn tls = server ? net::tls_server(below.b, server_config()) : net::tls_client(below.b, client_config());
      auto shake = spawn([](net::Conn conn) { return shake_hands(conn); }, tls);
      co_await test::until_parked(1);
      below.a.close_write();
      const auto r = co_await shake;
      EXPECT_EQ(r.err, errc::unexpected_eof);
      EXPECT_EQ(r.message(), "unexpected EOF");
    }
  });
}

// ---- in time, or not

TEST_P(EachNetwork, ADeadlineEndsTheHandshakeAndItCanGoOn) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await tls_pair(GetParam());
    char byte[1];
    pair.b.set_deadline(test::Clock::now() + 10ms);
    const auto shake = co_await net::tls_handshake(pair.b);
    EXPECT_EQ(shake.err, errc::timeout);
    EXPECT_EQ(shake.err, std::errc::timed_out);
    pair.b.set_deadline({});
    pair.b.set_read_deadline(test::Clock::now() + 10ms);  // of the one side
    const auto read = co_await pair.b.read(byte);
    EXPECT_EQ(read.err, errc::timeout);
    pair.b.set_deadline({});
    pair.b.set_write_deadline(test::Clock::now() + 10ms);  // of the other: it waits for a word, and ends all the same
    const auto wrote = co_await pair.b.write("x");
    EXPECT_EQ(wrote.err, errc::timeout);
    EXPECT_EQ(wrote.get<0>(), 0u);
    pair.b.set_deadline({});
    const Outcome outcome = co_await shake_hands(pair);
    EXPECT_EQ(outcome.client.message() + outcome.server.message(), "");
  });
}

TEST_P(EachNetwork, UntilEndsTheHandshakeAndItCanGoOn) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await tls_pair(GetParam());
    for (const net::Conn& conn : {pair.a, pair.b}) {  // the client has sent its hello, or on a pipe: nobody has taken it
      auto [ctx, cancel] = with_cancel(background());
      auto shake = spawn(
          [](net::Conn conn, Context ctx) -> Task<Result<void>> {
            Result<void> r = co_await until(ctx, net::tls_handshake(conn));
            co_return r;
          },
          conn, ctx);
      co_await test::until_parked(1);
      cancel();
      const auto r = co_await shake;
      EXPECT_EQ(r.err, errc::canceled);
      const auto late = co_await timeout(5ms, net::tls_handshake(conn));
      EXPECT_EQ(late.err, errc::deadline_exceeded);
    }
    const Outcome outcome = co_await shake_hands(pair);
    EXPECT_EQ(outcome.client.message() + outcome.server.message(), "");
  });
}

TEST_P(EachNetwork, CloseEndsIt) {
  on_executor([]() -> Task<> {
    for (const bool server : {false, true}) {
      const ConnPair pair = co_await tls_pair(GetParam());
      const net::Conn conn = server ? pair.b : pair.a;
      auto shake = spawn([](net::Conn conn) { return shake_hands(conn); }, conn);
      co_await test::until_parked(1);
      EXPECT_FALSE(conn.close());
      const auto r = co_await shake;
      EXPECT_EQ(r.err, errc::closed);
      EXPECT_EQ(conn.close(), errc::closed);
    }
  });
}

// A reader and a writer that come before the handshake: one of them does it, the other sleeps meanwhile, and can be ended there, too.
TEST_P(EachNetwork, ReaderAndWriterShareOneHandshake) {
  on_executor([]() -> Task<> {
    const ConnPair pair = co_await tls_pair(GetParam());
    const auto read = [](net::Conn conn) -> Task<std::string> {
      char buffer[16];
      const auto r = co_await conn.read(buffer);
      if (r.err) co_return r.message();
      co_return std::string(buffer, r.get<0>());
    };
    auto reader = spawn(read, pair.b);
    co_await test::until_parked(1);
    const auto late = co_await timeout(5ms, pair.b.write("late"));
    EXPECT_EQ(late.err, errc::deadline_exceeded);
    pair.b.set_write_deadline(test::Clock::now() + 5ms);
    const auto too_late = co_await pair.b.write("too late");
    EXPECT_EQ(too_late.err, errc::timeout);
    pair.b.set_write_deadline({});
    auto writer = spawn(
        [](net::Conn conn) -> Task<std::string> {
          const auto r = co_await conn.write("pong");
          co_return r.message();
        },
        pair.b);
    co_await test::until_parked(2);
    auto answer = spawn(read, pair.a);
    const auto wrote = co_await pair.a.write("ping");
    EXPECT_EQ(wrote.message(), "");
    EXPECT_EQ(co_await reader, "ping");
    EXPECT_EQ(co_await answer, "pong");
    EXPECT_EQ(co_await writer, "");
  });
}

}  // namespace
}  // namespace gmp::handshake_test
